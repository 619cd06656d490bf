// SPDX-License-Identifier: Apache-2.0
// The texts that HTTP's header fields are made of: tokens, white space, letter case. ASCII, whatever the locale.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace devbindd::api {

/// Letters A to Z as a to z.
std::string lower(std::string_view text);

/// Without blanks and tabs around it. Source: RFC 9110, 5.6.3 (OWS).
std::string_view trimmed(std::string_view text);

/// Whether it is a token. Source: RFC 9110, 5.6.2.
bool is_token(std::string_view text);

/// Takes the part up to a mark that stands outside of quotes from the front of `text`, with the mark; trimmed. All of
/// it where there is none.
std::string_view next_part(std::string_view& text, char mark);

/// What a quoted string, which begins with a quotation mark, stands for; nullopt where it is not closed at its end.
/// Source: RFC 9110, 5.6.4.
std::optional<std::string> unquoted(std::string_view text);

}  // namespace devbindd::api
