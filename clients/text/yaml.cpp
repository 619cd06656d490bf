// SPDX-License-Identifier: Apache-2.0
#include "clients/text/yaml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

namespace devbindd::clients {
namespace {

using nlohmann::json;

// Letters that begin a word which YAML 1.1 reads as something else: yes, no, on, off, true, null, .inf, numbers.
bool needs_no_quotes(const std::string& text) {
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  static constexpr std::array words{"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (std::ranges::find(words, lower) != words.end()) return false;
  return std::ranges::all_of(text, [](unsigned char letter) {
    return std::isalnum(letter) != 0 || std::string_view("_-./").contains(static_cast<char>(letter));
  });
}

std::string scalar(const json& value) {
  if (value.is_string() && needs_no_quotes(value.get_ref<const std::string&>())) return value.get<std::string>();
  if (value.is_object()) return "{}";
  if (value.is_array()) return "[]";
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

bool is_nested(const json& value) { return (value.is_object() || value.is_array()) && !value.empty(); }

void append(std::string& out, const json& value, std::size_t depth);

// What stands behind "key:" or "-": a scalar on the same line, or more lines below.
void append_value(std::string& out, const json& value, std::size_t depth) {
  if (!is_nested(value)) {
    out += " " + scalar(value) + "\n";
    return;
  }
  out += "\n";
  append(out, value, depth);
}

void append(std::string& out, const json& value, std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      out += indent + scalar(key) + ":";
      append_value(out, member, depth + 1);
    }
    return;
  }
  for (const auto& item : value) {
    out += indent + "-";
    if (!item.is_object() || item.empty()) {
      append_value(out, item, depth + 1);
      continue;
    }
    std::string members;
    append(members, item, depth + 1);
    out += " " + members.substr(2 * (depth + 1));
  }
}

}  // namespace

std::string yaml(const json& value) {
  if (!is_nested(value)) return scalar(value) + "\n";
  std::string out;
  append(out, value, 0);
  return out;
}

}  // namespace devbindd::clients
