// SPDX-License-Identifier: Apache-2.0
#include "api/http/trace_context.hpp"

#include <algorithm>

namespace devbindd::api {
namespace {

constexpr std::size_t whole = 55;  // of version 00, and the least of others

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

bool has_form(std::string_view field) {
  return is_hex(field.substr(0, 2)) && field[2] == '-' && is_hex(field.substr(3, 32)) && field[35] == '-' &&
         is_hex(field.substr(36, 16)) && field[52] == '-' && is_hex(field.substr(53, 2));
}

}  // namespace

std::string traceparent_of(std::string_view field) {
  if (field.size() < whole || !has_form(field)) return {};
  const auto version = field.substr(0, 2);
  if (version == "ff" || (version == "00" && field.size() > whole)) return {};
  if (field.size() > whole && field[whole] != '-') return {};
  const auto trace = field.substr(3, 32);
  const auto span = field.substr(36, 16);
  if (is_zero(trace) || is_zero(span)) return {};
  const auto last = field[54];
  const bool sampled = ((last <= '9' ? last - '0' : last - 'a' + 10) & 1) != 0;  // the one flag of version 00
  return "00-" + std::string(trace) + "-" + std::string(span) + (sampled ? "-01" : "-00");
}

}  // namespace devbindd::api
