// SPDX-License-Identifier: Apache-2.0
#include "clients/text/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace devbindd::clients {
namespace {

// Bytes of the character at the beginning of UTF-8 text.
std::size_t length_of_first(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0U) == 0x80U) ++length;
  return length;
}

bool is_dangerous(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first >= 0x7f;
  const auto second = static_cast<unsigned char>(character[1]);
  if (first == 0xc2 && second < 0xa0) return true;
  if (first != 0xe2 || character.size() != 3) return false;
  const auto third = static_cast<unsigned char>(character[2]);
  const bool embeds = second == 0x80 && ((third >= 0xaa && third <= 0xae) || third == 0x8e || third == 0x8f);
  return embeds || (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

// Bytes of the first `count` characters.
std::size_t bytes_of(std::string_view text, std::size_t count) {
  std::size_t bytes = 0;
  while (count-- > 0 && bytes < text.size()) bytes += length_of_first(text.substr(bytes));
  return bytes;
}

}  // namespace

Terminal terminal_of(int descriptor) {
  const bool is_terminal = ::isatty(descriptor) != 0;
  auto found = is_terminal ? Terminal{.width = 80, .colour = true} : Terminal{};
  winsize size{};
  if (is_terminal && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) found.width = size.ws_col;
  if (const char* columns = std::getenv("COLUMNS")) {
    const auto number = std::strtoul(columns, nullptr, 10);
    if (number > 0) found.width = number;
  }
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') found.colour = false;
  if (kind == nullptr || std::string_view(kind) == "dumb") found.colour = false;
  return found;
}

std::string toned(const Terminal& terminal, Tone tone, const std::string& text) {
  if (!terminal.colour || tone == Tone::Plain || text.empty()) return text;
  const char* code = "";
  switch (tone) {
    case Tone::Plain: break;
    case Tone::Good: code = "32"; break;
    case Tone::Warning: code = "33"; break;
    case Tone::Bad: code = "31"; break;
    case Tone::Faint: code = "2"; break;
    case Tone::Strong: code = "1"; break;
  }
  return std::string("\033[") + code + "m" + text + "\033[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto length = length_of_first(text);
    const auto character = text.substr(0, length);
    if (character == "\n" || character == "\t")
      out += ' ';
    else if (is_dangerous(character))
      out += '?';
    else
      out += character;
    text.remove_prefix(length);
  }
  return out;
}

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U; }));
}

std::string wrapped(const std::string& text, std::size_t width, std::size_t indent, std::size_t used) {
  if (width == 0) return text;
  constexpr std::size_t least = 20;
  std::string out;
  std::string_view rest = text;
  for (std::size_t before = used;; before = indent) {
    const auto room = std::max(least, width > before ? width - before : 0);
    if (characters_of(rest) <= room) return out += rest;
    const auto longest = bytes_of(rest, room);
    auto end = rest.rfind(' ', longest);
    if (end == std::string_view::npos || end == 0) end = longest;
    out += std::string(rest.substr(0, end)) + "\n" + std::string(indent, ' ');
    rest.remove_prefix(rest.substr(end).starts_with(' ') ? end + 1 : end);
  }
}

}  // namespace devbindd::clients
