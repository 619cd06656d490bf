// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/verdict.hpp"

#include <algorithm>
#include <iterator>

#include "handoff/plan/claim_reasons.hpp"
#include "handoff/plan/device_reasons.hpp"
#include "handoff/plan/driver_reasons.hpp"
#include "handoff/plan/function_reasons.hpp"
#include "handoff/plan/group_reasons.hpp"
#include "handoff/plan/open_reasons.hpp"
#include "handoff/plan/sriov_reasons.hpp"

namespace devbindd::handoff {

std::vector<Evidence> verdict(const ChangeRequest& request, const Facts& facts) {
  std::vector<Evidence> evidence;
  for (const auto& member : facts.members) {
    check_stuck(member, evidence);
    check_claim(member, evidence);
    check_settings(request, member, evidence);
    check_cordoned(request, member, evidence);
    check_bridge(request, member, evidence);
    check_system(request, member, evidence);
    check_uses(request, member, evidence);
    check_open(request, member, evidence);
    check_other_tools(request, member, evidence);
    check_virtual_functions(request, member, evidence);
    check_open_functions(request, member, evidence);
    check_denylist(request, member, facts, evidence);
    check_iommu(request, member, facts, evidence);
    check_match(request, member, facts, evidence);
    if (const auto wanted = wanted_driver(request, member))
      check_driver(*wanted, &member.device.address, facts, evidence);
  }
  if (request.kind == ChangeKind::AddId || request.kind == ChangeKind::RemoveId) {
    check_driver(request.driver->text(), nullptr, facts, evidence);
  }
  if (request.kind == ChangeKind::SetVfs) {
    std::ranges::move(function_evidence(request, facts), std::back_inserter(evidence));
    if (request.driver) check_driver(request.driver->text(), &*request.address, facts, evidence);
  }
  check_siblings(request, facts, evidence);
  check_captures(request, facts, evidence);
  check_viability(request, facts, evidence);
  return evidence;
}

}  // namespace devbindd::handoff
