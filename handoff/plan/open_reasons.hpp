// SPDX-License-Identifier: Apache-2.0
// Reasons against a change that lie in who has a device, or a virtual function of it, open or in use. Pure.
// Not here: what a use of the host is called (handoff/usage/usage.hpp).
#pragma once

#include <optional>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That somebody has a VFIO-bound device open, or nullopt.
std::optional<Evidence> open_evidence(const sysfs::Device& device, const std::vector<vfio::Holder>& holders);

/// That VFs of a PF are open: one for each.
std::vector<Evidence> open_function_evidence(const sysfs::Device& device, const std::vector<OpenFunction>& functions);

/// vfio.open
void check_open(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// sriov.vf_in_use
void check_open_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// usage.unknown, and the code of each use.
void check_uses(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
