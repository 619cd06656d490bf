// SPDX-License-Identifier: Apache-2.0
// Reasons against a change that lie in the other devices of the IOMMU group. Pure.
#pragma once

#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// group.sibling_in_use. The codes of what blocks are the sibling's own; this one tells whose device stands in the way
/// of the one asked for. `evidence` has what is known of each member by then.
void check_siblings(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence);
/// group.not_viable
void check_viability(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
