// SPDX-License-Identifier: Apache-2.0
#include "api/http/plain_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace devbindd::api {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;  ///< bytes; 0: no UTF-8 begins here
};

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// Neither overlong, nor a surrogate, nor beyond the last character.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  std::uint32_t code = lead & (0xffU >> (size + 1));
  for (const char c : text.substr(1, size - 1)) {
    if (!is_continuation(c)) return {};
    code = code << 6U | (static_cast<unsigned char>(c) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < least[size] || surrogate || code > 0x10ffff) return {};
  return {code, size};
}

bool is_control(std::uint32_t code) {
  const bool direction = code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069) || code == 0x061c;
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || direction;
}

std::string cleaned(std::string_view text, bool keep_lines) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto [code, size] = first_of(text);
    if (size == 0) {
      clean += replacement;
    } else if (is_control(code) && !(keep_lines && code == '\n')) {
      clean += '?';
    } else {
      clean += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return clean;
}

}  // namespace

std::string one_line(std::string_view text) { return cleaned(text, false); }

std::string several_lines(std::string_view text) { return cleaned(text, true); }

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::size_t bytes_of(std::string_view text, std::size_t characters) {
  std::size_t bytes = 0;
  while (bytes < text.size() && (characters > 0 || is_continuation(text[bytes]))) {
    if (!is_continuation(text[bytes])) --characters;
    ++bytes;
  }
  return bytes;
}

}  // namespace devbindd::api
