// SPDX-License-Identifier: Apache-2.0
#include "api/requests/claim_filter.hpp"

#include <algorithm>

#include "api/http/nearest_word.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using handoff::Claim;
using handoff::ClaimState;

const std::vector<std::string_view>& state_names() {
  static const std::vector<std::string_view> names = {name_of(ClaimState::Preparing), name_of(ClaimState::Active),
                                                      name_of(ClaimState::Releasing), name_of(ClaimState::Quarantined),
                                                      name_of(ClaimState::Lost),      name_of(ClaimState::Released)};
  return names;
}

void read_states(QueryReader& query, ClaimFilter& filter) {
  for (const auto& text : query.all("state")) {
    const auto state = handoff::claim_state_named(text);
    if (state) filter.states.push_back(*state);
    if (!state)
      query.wrong("state", "'" + text.substr(0, 64) + "' is not the state of a claim" + hint(text, state_names()));
  }
}

void read_devices(QueryReader& query, ClaimFilter& filter) {
  for (const auto& text : query.all("device")) {
    const auto address = sysfs::parse_pci_address(text);
    if (address) filter.devices.insert(*address);
    if (!address) query.wrong("device", address.error().message);
  }
}

void read_labels(QueryReader& query, ClaimFilter& filter) {
  for (const auto& text : query.all("label")) {
    const auto equals = text.find('=');
    if (equals == 0 || text.empty()) query.wrong("label", "a label is asked for as NAME or NAME=VALUE");
    filter.labels.emplace_back(text.substr(0, equals),
                               equals == std::string::npos ? std::nullopt : std::optional(text.substr(equals + 1)));
  }
}

// By the name or the number that it was asked for with, or by the number that a name stood for.
bool has_owner(const std::vector<std::string>& wanted, const std::vector<std::string>& names,
               const std::vector<unsigned>& numbers) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& text) {
           const auto number = sysfs::number_from<unsigned>(text);
           return std::ranges::find(names, text) != names.end() ||
                  (number && std::ranges::find(numbers, *number) != numbers.end());
         });
}

bool has_labels(const handoff::Labels& labels, const ClaimFilter& filter) {
  return std::ranges::all_of(filter.labels, [&labels](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && (!wanted.second || found->second == *wanted.second);
  });
}

}  // namespace

ClaimFilter read_claim_filter(QueryReader& query) {
  ClaimFilter filter;
  read_states(query, filter);
  read_devices(query, filter);
  filter.users = query.all("user");
  filter.groups = query.all("group");
  read_labels(query, filter);
  return filter;
}

bool passes(const Claim& claim, const ClaimFilter& filter) {
  const bool in_state = filter.states.empty() || std::ranges::find(filter.states, claim.state) != filter.states.end();
  const bool of_devices = filter.devices.empty() || std::ranges::any_of(claim.devices, [&filter](const auto& device) {
                            return filter.devices.contains(device.address);
                          });
  const auto& owner = claim.request.owner;
  return in_state && of_devices && has_owner(filter.users, owner.users, claim.grantees.uids) &&
         has_owner(filter.groups, owner.groups, claim.grantees.gids) && has_labels(claim.request.labels, filter);
}

bool is_owner(const Request& request, const Claim& claim) {
  const auto& [uids, gids] = claim.grantees;
  const auto owns = [&gids](unsigned group) { return std::ranges::find(gids, group) != gids.end(); };
  return (request.requester.uid && std::ranges::find(uids, *request.requester.uid) != uids.end()) ||
         std::ranges::any_of(request.groups, owns);
}

bool is_own(const Request& request, const Claim& claim) {
  const auto& requester = request.requester;
  const bool known = requester.uid || !requester.token.empty();
  return is_owner(request, claim) ||
         (known && has(request.grant, Right::Claim) && handoff::same_user(requester, claim.requester));
}

bool may_see(const Request& request, const Claim& claim) {
  return has(request.grant, Right::Read) || is_own(request, claim);
}

sysfs::Result<const Claim*> visible_claim(const handoff::Claims& claims, const Request& request,
                                          const std::string& id) {
  const auto* claim = claims.find(id);
  if (claim != nullptr && may_see(request, *claim)) return claim;
  return sysfs::fail(sysfs::ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64));
}

}  // namespace devbindd::api
