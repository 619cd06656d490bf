// SPDX-License-Identifier: Apache-2.0
// Reasons against taking a device from its driver that lie in virtual functions: those that a physical function has,
// and what its driver had been told of them. Pure.
// Not here: reasons against a number of virtual functions (function_reasons.hpp), who has them open
// (open_reasons.hpp).
#pragma once

#include <optional>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That a PF has VFs, or nullopt.
std::optional<Evidence> functions_evidence(const sysfs::Device& device);

/// sriov.vfs_enabled
void check_virtual_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// sriov.settings_lost, as a warning: a give-back goes on without them.
void check_settings(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
