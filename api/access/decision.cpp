// SPDX-License-Identifier: Apache-2.0
#include "api/access/decision.hpp"

namespace devbindd::api {
namespace {

std::string without_right(const Grant& grant, Right right) {
  const auto role = grant.role == Role::None ? std::string("no role") : "the role " + std::string(name_of(grant.role));
  return "this caller has " + role + " (by " + grant.by + "), without the right " + std::string(name_of(right)) +
         ": it needs the role " + std::string(name_of(least_role_with(right))) +
         ", from a rule of \"access\" in the configuration; GET /v1/whoami says what there is";
}

}  // namespace

std::optional<Denial> decide(const Grant& grant, Right right, const std::vector<const sysfs::Device*>& devices,
                             const handoff::LabelsOf& labels_of) {
  if (grant.wrong_token)
    return Denial{401, "token_unknown", "no rule of \"access\" in the configuration has this bearer token", right};
  if (!has(grant, right)) {
    if (grant.token_helps && grant.token.empty())
      return Denial{401, "token_needed", without_right(grant, right) + ". Over TCP that is a bearer token's rule",
                    right};
    return Denial{403, "forbidden", without_right(grant, right), right};
  }
  if (!grant.permission) return std::nullopt;
  const auto denied = handoff::denied_devices(*grant.permission, devices, labels_of);
  if (!denied) return std::nullopt;
  return Denial{403, std::string(sysfs::name_of(denied->code)), denied->message, right};
}

}  // namespace devbindd::api
