// SPDX-License-Identifier: Apache-2.0
#include "api/render/metrics_text.hpp"

#include <array>
#include <charconv>

namespace devbindd::api {
namespace {

std::string_view name_of(MetricType type) {
  switch (type) {
    case MetricType::Counter: return "counter";
    case MetricType::Gauge: return "gauge";
    case MetricType::Histogram: return "histogram";
  }
  return "untyped";
}

// The shortest digits that give the same number again, in every locale.
std::string number(double value) {
  std::array<char, 32> digits{};
  const auto done = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), done.ptr};
}

void append_escaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
}

}  // namespace

void MetricsText::family(std::string_view name, MetricType type, std::string_view help) {
  family_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(name_of(type)).append("\n");
}

void MetricsText::add(Labels labels, double value) { add_line("", labels, number(value)); }

void MetricsText::add(Labels labels, const handoff::Durations& durations) {
  for (std::size_t at = 0; at < handoff::Durations::bounds.size(); ++at)
    add_line("_bucket", labels, std::to_string(durations.up_to(at)), number(handoff::Durations::bounds[at]));
  add_line("_bucket", labels, std::to_string(durations.count()), "+Inf");
  add_line("_sum", labels, number(durations.seconds()));
  add_line("_count", labels, std::to_string(durations.count()));
}

void MetricsText::add_line(std::string_view suffix, Labels labels, std::string_view value, std::string_view bound) {
  text_.append(family_).append(suffix);
  bool first = true;
  for (const auto& [name, text] : labels) add_label(name, text, first);
  if (!bound.empty()) add_label("le", bound, first);
  if (!first) text_ += '}';
  text_.append(" ").append(value).append("\n");
}

void MetricsText::add_label(std::string_view name, std::string_view value, bool& first) {
  text_ += std::exchange(first, false) ? '{' : ',';
  text_.append(name).append("=\"");
  append_escaped(text_, value);
  text_ += '"';
}

}  // namespace devbindd::api
