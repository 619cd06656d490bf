// SPDX-License-Identifier: Apache-2.0
// Tables for a person's terminal: what the lists answer to `Accept: text/plain`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "api/http/message.hpp"

namespace devbindd::api {

/// One column: its heading, and its text for one item of the list.
struct Column {
  std::string heading;
  std::string (*text_of)(const nlohmann::json& item);
};

/// Headings and one line for each item, blanks between the columns, at most `width` characters: the last column is
/// wrapped at blanks and commas where it does not fit, and cut in the middle of a word only when there is no such
/// place. "" is shown as "-".
std::string text_table(const std::vector<Column>& columns, const nlohmann::json& items, std::size_t width = 120);

/// A list as JSON, or as a table when the request prefers text/plain.
Response list_response(const Request& request, const nlohmann::json& document, const std::vector<Column>& columns);

Response text_response(std::string text);

/// A JSON value as a person writes it: strings without quotes, lists with commas, null as "".
std::string plain(const nlohmann::json& value);

}  // namespace devbindd::api
