// SPDX-License-Identifier: Apache-2.0
#include "api/http/message.hpp"

#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"

namespace devbindd::api {

Response json_response(const nlohmann::json& document, int status) {
  return {.status = status, .content_type = "application/json", .body = handoff::dump(document) + "\n", .headers = {}};
}

}  // namespace devbindd::api
