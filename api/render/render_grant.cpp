// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_grant.hpp"

#include <nlohmann/json.hpp>

#include "api/render/render_claim.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using handoff::or_null;
using nlohmann::json;

json rights_of(const Grant& grant) {
  json list = json::array();
  for (const auto right : rights()) {
    if (has(grant, right)) list.push_back(name_of(right));
  }
  return list;
}

// Of a rule: what only a claim selects by is not in it.
json render_rule_selector(const handoff::Selector& selector) {
  auto document = render_selector(selector);
  for (const auto* of_claims : {"count", "label", "link_speed", "same_switch", "driver"}) document.erase(of_claims);
  return document;
}

json devices_of(const handoff::Permission& permission) {
  if (!permission.devices) return nullptr;
  json list = json::array();
  for (const auto& selector : *permission.devices) list.push_back(render_rule_selector(selector));
  return list;
}

json names_of(const std::optional<std::vector<std::string>>& names) { return names ? json(*names) : json(nullptr); }

json limit(const std::optional<unsigned>& most, std::size_t used) { return {{"most", or_null(most)}, {"used", used}}; }

json groups_of(const std::vector<unsigned>& gids, const handoff::NameOwners::Answer& names) {
  json list = json::array();
  for (std::size_t at = 0; at < gids.size(); ++at)
    list.push_back({{"gid", gids[at]}, {"name", at < names.groups.size() ? or_null(names.groups[at]) : json(nullptr)}});
  return list;
}

}  // namespace

json render_grant(const Request& request, const handoff::NameOwners::Answer& names, const handoff::Holdings& held) {
  const auto& grant = request.grant;
  const auto permission = grant.permission ? *grant.permission : handoff::Permission{};
  const auto& token = grant.token;
  const auto& certificate = request.requester.certificate;
  return {{"transport", request.requester.transport},
          {"entrance", name_of(request.entrance)},
          {"uid", or_null(request.requester.uid)},
          {"user", names.users.empty() ? json(nullptr) : or_null(names.users.front())},
          {"groups", groups_of(request.groups, names)},
          {"token", token.empty() ? json(nullptr) : json(token)},
          {"certificate", certificate.empty() ? json(nullptr) : json(certificate)},
          {"role", name_of(grant.role)},
          {"granted_by", grant.by},
          {"rule", or_null(grant.rule)},
          {"rights", rights_of(grant)},
          {"devices", devices_of(permission)},
          {"drivers", names_of(permission.drivers)},
          {"risks", names_of(permission.risks)},
          {"owners", permission.own_claims_only ? "self" : "all"},
          {"limits",
           {{"claims", limit(permission.max_claims, held.claims)},
            {"devices", limit(permission.max_devices, held.devices)}}}};
}

}  // namespace devbindd::api
