// SPDX-License-Identifier: Apache-2.0
// The body of POST /v1/claims, of what the command line says.
#pragma once

#include <nlohmann/json.hpp>

#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {

/// Fails where a device has no such name, or name=value is not what it should be.
Result<nlohmann::json> claim_request(Session& session);

}  // namespace devbindd::clients
