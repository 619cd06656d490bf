// SPDX-License-Identifier: Apache-2.0
// What a requester's permission says of a claim: for whom it may be, and how much he may have at one time. Not here:
// which devices, drivers and risks (operation/permission_check.hpp).
#pragma once

#include <cstddef>
#include <optional>

#include "handoff/claim/claim_table.hpp"
#include "handoff/model/permission.hpp"

namespace devbindd::handoff {

/// What somebody's claims hold now; devices that go along with their IOMMU group count too.
struct Holdings {
  std::size_t claims = 0;
  std::size_t devices = 0;

  bool operator==(const Holdings&) const = default;
};
Holdings holdings_of(const ClaimTable& claims, const Requester& requester);

/// A claim without owners is for the one who asks for it, where his permission says that it is for nobody else.
void set_own_owner(ClaimRequest& request, const Requester& requester);

/// Why the claim may not be for these owners. Error: OwnerForbidden.
std::optional<sysfs::Error> denied_owners(const Requester& requester, const vfio::Grantees& owners);

/// Why he may not have `claim` besides what he has. Error: RoleLimit.
std::optional<sysfs::Error> over_limit(const ClaimTable& claims, const Claim& claim);

}  // namespace devbindd::handoff
