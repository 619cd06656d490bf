// SPDX-License-Identifier: Apache-2.0
// Which claims a list is to have. Not here: what a claim looks like (render_claim.hpp).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/http/message.hpp"
#include "api/http/query.hpp"
#include "handoff/claim/claims.hpp"

namespace devbindd::api {

/// Of several values of one member one must fit, and of the members each; but every label must be there.
struct ClaimFilter {
  std::vector<handoff::ClaimState> states = {};
  std::set<sysfs::PciAddress> devices = {};
  std::vector<std::string> users = {};                                          ///< names or numbers of owners
  std::vector<std::string> groups = {};                                         ///< the same
  std::vector<std::pair<std::string, std::optional<std::string>>> labels = {};  ///< nullopt: whatever its value is
};

/// state, device, user, group, label (`vm`, `vm=42`).
ClaimFilter read_claim_filter(QueryReader& query);

bool passes(const handoff::Claim& claim, const ClaimFilter& filter);

/// Whether the caller is an owner of the claim: the devices' nodes are open to him.
bool is_owner(const Request& request, const handoff::Claim& claim);

/// The same, or whether it is he who has made it, and may make claims.
bool is_own(const Request& request, const handoff::Claim& claim);

/// Whether the caller may know of the claim: who has nothing but his own claims may not of others.
bool may_see(const Request& request, const handoff::Claim& claim);

/// The claim by its id, for those who may know of it. Error: ClaimNotFound.
sysfs::Result<const handoff::Claim*> visible_claim(const handoff::Claims& claims, const Request& request,
                                                   const std::string& id);

}  // namespace devbindd::api
