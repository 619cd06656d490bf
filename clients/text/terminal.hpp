// SPDX-License-Identifier: Apache-2.0
// What is known of where text goes: its width, whether it may have colour, and what must not reach it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace devbindd::clients {

struct Terminal {
  std::size_t width = 0;  ///< characters of a line; 0: no end
  bool colour = false;
};

/// Of an open descriptor. Colour only on a terminal, and neither with NO_COLOR (no-color.org) nor with TERM=dumb.
/// COLUMNS goes before what the terminal says.
Terminal terminal_of(int descriptor);

enum class Tone { Plain, Good, Warning, Bad, Faint, Strong };

/// The text in a colour, where the terminal may have it.
std::string toned(const Terminal& terminal, Tone tone, const std::string& text);

/// The text without what would move a terminal's cursor or turn its text: control characters and bidirectional marks
/// become question marks, line breaks and tabs blanks.
std::string printable(std::string_view text);

/// How many characters UTF-8 text has.
std::size_t characters_of(std::string_view text);

/// The text in lines of at most `width` characters, broken at blanks; the second and all further ones begin with
/// `indent` blanks. The first one has `used` characters before it. Width 0: one line.
std::string wrapped(const std::string& text, std::size_t width, std::size_t indent = 0, std::size_t used = 0);

}  // namespace devbindd::clients
