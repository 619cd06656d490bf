// SPDX-License-Identifier: Apache-2.0
// Texts for a person's terminal: names and messages come from the kernel, from pci.ids and from configuration, and no
// byte of them may break the encoding that an answer announces, move the cursor, or turn the direction of a line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace devbindd::api {

/// One line: bytes that are no UTF-8 become U+FFFD; control characters (C0, DEL, C1, line and paragraph separators,
/// those of bidirectional text) become '?'. Source: Unicode 15, 3.9 table 3-7; UAX #9.
std::string one_line(std::string_view text);

/// The same of a text of several lines: their ends stay.
std::string several_lines(std::string_view text);

/// How many characters a UTF-8 text has, and how many bytes its first `characters` are (all of them, where it is
/// shorter).
std::size_t characters_of(std::string_view text);
std::size_t bytes_of(std::string_view text, std::size_t characters);

}  // namespace devbindd::api
