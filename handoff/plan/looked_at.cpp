// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/looked_at.hpp"

#include "handoff/plan/open_reasons.hpp"

namespace devbindd::handoff {

RuleOutcome vfio_rule(const sysfs::Device& device, const sysfs::Result<std::vector<vfio::Holder>>& holders) {
  RuleOutcome outcome{.rule = std::string(vfio_rule_name)};
  if (!holders) outcome.reason = holders.error().message;
  if (!outcome.reason.empty()) outcome.outcome = Outcome::NotVisible;
  if (open_evidence(device, holders.value_or(std::vector<vfio::Holder>{}))) outcome.outcome = Outcome::Found;
  return outcome;
}

RuleOutcome functions_rule(const sysfs::Device& device) {
  return {.rule = std::string(functions_rule_name),
          .outcome = device.virtfns.empty() ? Outcome::Nothing : Outcome::Found};
}

RuleOutcome claims_rule(const std::string& claim) {
  return {.rule = std::string(claims_rule_name), .outcome = claim.empty() ? Outcome::Nothing : Outcome::Found};
}

LookedAt looked_at(const MemberFacts& member) {
  LookedAt looked{.device = member.device.address, .rules = member.rules};
  if (sysfs::is_vfio_bound(member.device)) {
    if (member.holders_missing.empty()) {
      looked.rules.push_back(vfio_rule(member.device, member.holders));
    } else {
      looked.rules.push_back(vfio_rule(member.device, sysfs::fail(sysfs::ErrorCode::Overdue, member.holders_missing)));
    }
  }
  if (member.device.sriov_totalvfs) looked.rules.push_back(functions_rule(member.device));
  looked.rules.push_back(claims_rule(member.claimed_by));
  return looked;
}

}  // namespace devbindd::handoff
