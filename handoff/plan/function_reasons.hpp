// SPDX-License-Identifier: Apache-2.0
// Reasons against a number of virtual functions. Pure.
// Not here: how they come and go (virtual_functions.hpp), reasons that lie in those that are there (sriov_reasons.hpp).
#pragma once

#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// What keeps the PF from having so many VFs, and what goes with those that it has.
std::vector<Evidence> function_evidence(const ChangeRequest& request, const Facts& facts);

}  // namespace devbindd::handoff
