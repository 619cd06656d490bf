// SPDX-License-Identifier: Apache-2.0
// Who somebody is, by what he has his role, and what it lets him do.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/http/message.hpp"
#include "handoff/claim/claim_permission.hpp"
#include "handoff/worker/tasks.hpp"

namespace devbindd::api {

/// What GET /v1/whoami answers. `names`: of the caller's uid and groups, as far as they are known. `held`: what his
/// claims hold now.
nlohmann::json render_grant(const Request& request, const handoff::NameOwners::Answer& names,
                            const handoff::Holdings& held);

}  // namespace devbindd::api
