// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/command_line.hpp"

#include <algorithm>
#include <utility>

namespace devbindd::sysfs {
namespace {

bool is_kernel_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

// Takes the next word off the front: up to a blank that is outside of double quotes. "" at the end.
std::string_view take_quotable_word(std::string_view& text) {
  while (!text.empty() && is_kernel_blank(text.front())) text.remove_prefix(1);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size() && (quoted || !is_kernel_blank(text[end])); ++end) {
    if (text[end] == '"') quoted = !quoted;
  }
  const auto word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::string_view without_quotes(std::string_view text) {
  if (!text.starts_with('"')) return text;
  text.remove_prefix(1);
  if (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

// Quotes may stand around the whole word or around the value.
BootParameter parameter_of(std::string_view word) {
  const auto plain = without_quotes(word);
  const auto equals = plain.find('=');
  BootParameter parameter;
  parameter.name = plain.substr(0, equals);
  std::ranges::replace(parameter.name, '-', '_');
  if (equals != std::string_view::npos) parameter.value = without_quotes(plain.substr(equals + 1));
  return parameter;
}

}  // namespace

std::vector<BootParameter> parse_command_line(std::string_view text) {
  std::vector<BootParameter> parameters;
  for (auto word = take_quotable_word(text); !word.empty() && word != "--"; word = take_quotable_word(text)) {
    parameters.push_back(parameter_of(word));
  }
  return parameters;
}

std::string to_string(const BootParameter& parameter) {
  if (!parameter.value) return parameter.name;
  const bool quotes = std::ranges::any_of(*parameter.value, is_kernel_blank);
  return parameter.name + "=" + (quotes ? "\"" + *parameter.value + "\"" : *parameter.value);
}

bool has_option(const BootParameter& parameter, std::string_view option) {
  if (!parameter.value) return false;
  std::string_view rest = *parameter.value;
  while (!rest.empty()) {
    const auto part = rest.substr(0, rest.find(','));
    if (part == option) return true;
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  return false;
}

}  // namespace devbindd::sysfs
