// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_permission.hpp"

#include <algorithm>
#include <string>

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

bool is_for_itself(const Requester& requester) { return requester.permission && requester.permission->own_claims_only; }

sysfs::Error full(const Permission& permission, std::size_t most, const std::string& what) {
  return {ErrorCode::RoleLimit,
          permission.holder + " has at most " + std::to_string(most) + " " + what + " at one time: end a claim first"};
}

}  // namespace

Holdings holdings_of(const ClaimTable& claims, const Requester& requester) {
  Holdings held;
  for (const auto* claim : claims.all()) {
    if (!holds_devices(*claim) || !same_user(claim->requester, requester)) continue;
    ++held.claims;
    held.devices += claim->devices.size();
  }
  return held;
}

void set_own_owner(ClaimRequest& request, const Requester& requester) {
  auto& owner = request.owner;
  const bool named = !owner.users.empty() || !owner.groups.empty() || !owner.uids.empty() || !owner.gids.empty();
  if (is_for_itself(requester) && requester.uid && !named) owner.uids = {*requester.uid};
}

std::optional<sysfs::Error> denied_owners(const Requester& requester, const vfio::Grantees& owners) {
  if (!is_for_itself(requester)) return std::nullopt;
  const auto is_another = [&requester](unsigned uid) { return uid != requester.uid; };
  if (owners.gids.empty() && std::ranges::none_of(owners.uids, is_another)) return std::nullopt;
  return sysfs::Error{ErrorCode::OwnerForbidden,
                      requester.permission->holder +
                          " makes claims for itself alone: other owners need a rule with \"owners\": \"all\""};
}

std::optional<sysfs::Error> over_limit(const ClaimTable& claims, const Claim& claim) {
  const auto& permission = claim.requester.permission;
  if (!permission || (!permission->max_claims && !permission->max_devices)) return std::nullopt;
  const auto held = holdings_of(claims, claim.requester);
  if (permission->max_claims && held.claims + 1 > *permission->max_claims)
    return full(*permission, *permission->max_claims, "claims");
  if (permission->max_devices && held.devices + claim.devices.size() > *permission->max_devices)
    return full(*permission, *permission->max_devices, "devices");
  return std::nullopt;
}

}  // namespace devbindd::handoff
