// SPDX-License-Identifier: Apache-2.0
// What a requester's permission says of a request, before anything is planned. Every change passes here. Not here: who
// may ask for a change at all (api/access/decision.hpp).
#pragma once

#include <optional>
#include <vector>

#include "handoff/model/permission.hpp"
#include "handoff/operation/decision.hpp"
#include "handoff/plan/transaction.hpp"

namespace devbindd::handoff {

/// The refusal of a driver or a risk that is not in the requester's permission, in any part of the request.
std::optional<Refusal> beyond_permission(const ChangeRequest& request, const Requester& requester);

/// The refusal of a device that would be changed and is not in it. The end of a claim is not refused: it was accepted
/// with the claim.
std::optional<Refusal> beyond_permission(const std::vector<Part>& parts, const Requester& requester,
                                         const LabelsOf& labels_of);

}  // namespace devbindd::handoff
