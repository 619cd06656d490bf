// SPDX-License-Identifier: Apache-2.0
// What a change does to a member of it, as far as reasons against it depend on that. Pure.
#pragma once

#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// Whether the driver that it has is taken from it.
bool loses_driver(const ChangeRequest& request, const MemberFacts& member);

/// Whether it gets a driver in place of the one that it has, or of none. A device without a driver can be in use all
/// the same: a process may have its memory mapped.
bool gets_another_driver(const ChangeRequest& request, const MemberFacts& member);

/// Whether it is to be a VFIO driver's.
bool wants_vfio(const ChangeRequest& request, const MemberFacts& member);

/// Whether it is handed over to the owner of a claim.
bool is_handed_over(const ChangeRequest& request);

}  // namespace devbindd::handoff
