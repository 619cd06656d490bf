// SPDX-License-Identifier: Apache-2.0
// The key "access" of the configuration: who has which role, on which devices. Not here: what follows from the rules
// (api/access/access_rules.hpp), the numbers of users and groups that are named (access_names.hpp).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/access/access_rules.hpp"
#include "daemon/configuration_section.hpp"

namespace devbindd::daemon {

/// Reads a list of
/// {"who": "everyone" | {"user": NAME or UID} | {"group": NAME or GID} | {"token": NAME, "sha256": DIGEST},
///  "role": ROLE, "devices": "all" | [SELECTOR...], "drivers": "all" | [NAME...], "risks": "all" | [CODE...],
///  "owners": "self" | "all", "max_claims": N, "max_devices": N}
/// A claimant's rule must name its devices. What it does not say otherwise: all drivers, no risk, its own claims. That
/// of an operator: all devices, all drivers, no risk. A reader's and an admin's rule have a role only. Pure; fuzzed.
Checked read_access(const nlohmann::json& list, api::AccessRules& rules);

}  // namespace devbindd::daemon
