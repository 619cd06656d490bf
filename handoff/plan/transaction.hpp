// SPDX-License-Identifier: Apache-2.0
// Several requests as one change, all or nothing: their facts side by side, one plan. A request alone is a change with
// one part. Not here: the steps of one request (plan.hpp), how they are run (execution.hpp).
#pragma once

#include <optional>
#include <vector>

#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// What is asked of one device or IOMMU group, and what the kernel says about it.
struct Part {
  ChangeRequest request;
  Facts facts;
};

/// The request itself, or a transaction's items; what the transaction accepts, each of them accepts.
std::vector<ChangeRequest> parts_of(const ChangeRequest& request);

/// Every member of every part; valid as long as the parts are not moved.
std::vector<MemberFacts*> members_of(std::vector<Part>& parts);

/// A device that two parts would change, or nullopt.
std::optional<sysfs::PciAddress> contested(std::vector<Part>& parts);

/// Shows each part its bystanders as the other parts will leave them: a sibling that goes to VFIO with it keeps its
/// group from nothing.
void foresee(std::vector<Part>& parts);

/// Pure. The plans of the parts one after the other, so that the undo in reverse unwinds the last part first. A module
/// is loaded once. A PF whose VFs are changed too cannot lose its driver: they would vanish with it.
Plan plan(const std::vector<Part>& parts);

}  // namespace devbindd::handoff
