// SPDX-License-Identifier: Apache-2.0
// The header fields that every answer has. Pure. Not here: those that say where the message ends (session.cpp).
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "api/http/message.hpp"

namespace devbindd::api {

/// A moment as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT". Source: RFC 9110, 5.6.7.
std::string http_date(std::time_t moment);

/// Names and values in order; a later one of a name replaces an earlier one. Answers say what is so at that moment, so
/// that nobody may keep them; and nobody may guess another media type than that which they name.
std::vector<std::pair<std::string, std::string>> answer_fields(const Response& answer, const std::string& request_id,
                                                               std::time_t now);

}  // namespace devbindd::api
