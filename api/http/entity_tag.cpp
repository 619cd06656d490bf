// SPDX-License-Identifier: Apache-2.0
#include "api/http/entity_tag.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>

namespace devbindd::api {
namespace {

// FNV-1a over words of eight bytes: no defence against somebody who looks for two answers of one tag, of which the
// daemon makes both.
std::uint64_t digest(std::string_view text) {
  constexpr std::uint64_t prime = 0x100000001b3;
  std::uint64_t value = 0xcbf29ce484222325ULL ^ text.size();
  while (text.size() >= sizeof value) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    value = (value ^ word) * prime;
    value ^= value >> 29U;
    text.remove_prefix(sizeof word);
  }
  for (const char byte : text) value = (value ^ static_cast<unsigned char>(byte)) * prime;
  return value ^ (value >> 32U);
}

struct Tag {
  bool weak = false;
  std::string_view text;  ///< with its quotes
};

void skip_blanks(std::string_view& list) {
  while (!list.empty() && (list.front() == ' ' || list.front() == '\t' || list.front() == ',')) list.remove_prefix(1);
}

// The next tag of the list, which loses it; nullopt where none is well-formed.
std::optional<Tag> take_tag(std::string_view& list) {
  Tag tag;
  if (list.starts_with("W/")) {
    tag.weak = true;
    list.remove_prefix(2);
  }
  if (!list.starts_with('"')) return std::nullopt;
  const auto end = list.find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  tag.text = list.substr(0, end + 1);
  list.remove_prefix(end + 1);
  return tag;
}

}  // namespace

std::string entity_tag(std::string_view body) {
  std::array<char, 24> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "\"%016llx\"", static_cast<unsigned long long>(digest(body)));
  return {text.data(), static_cast<std::size_t>(length)};
}

bool names_tag(std::string_view list, std::string_view tag, bool weakly) {
  if (list == "*") return true;
  for (skip_blanks(list); !list.empty(); skip_blanks(list)) {
    const auto one = take_tag(list);
    if (!one) return false;
    if (one->text == tag && (weakly || !one->weak)) return true;
  }
  return false;
}

bool is_tag_list(std::string_view list) {
  if (list == "*") return true;
  bool any = false;
  for (skip_blanks(list); !list.empty(); skip_blanks(list)) {
    if (!take_tag(list)) return false;
    any = true;
  }
  return any;
}

}  // namespace devbindd::api
