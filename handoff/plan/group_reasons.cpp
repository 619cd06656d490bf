// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/group_reasons.hpp"

#include <algorithm>
#include <iterator>

#include "handoff/plan/wanted_change.hpp"
#include "sysfs/iommu/iommu_group.hpp"

namespace devbindd::handoff {
namespace {

// A function below one that is not a bridge (Intel VMD) is in its group, and goes when that one loses its driver.
bool goes_with_a_member(const sysfs::Device& device, const Facts& facts) {
  return std::ranges::any_of(facts.members, [&device](const MemberFacts& member) {
    const auto& above = member.device.sysfs_path;
    return !above.empty() && !sysfs::is_pci_bridge(member.device) && device.sysfs_path.starts_with(above + "/");
  });
}

}  // namespace

void check_siblings(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  if (request.kind == ChangeKind::SetVfs) return;  // VFs of its own, and not siblings
  std::vector<Evidence> found;
  for (const auto& member : facts.members) {
    if (request.address == member.device.address) continue;
    const auto in_use = std::ranges::find_if(evidence, [&member](const Evidence& item) {
      return item.device == member.device.address && item.severity == Severity::Block &&
             sysfs::use_kind_from(item.code);
    });
    if (in_use == evidence.end()) continue;
    found.push_back(
        {.code = "group.sibling_in_use",
         .severity = Severity::Warn,
         .device = member.device.address,
         .detail = sysfs::to_string(member.device.address) + " of the same IOMMU group is in use: " + in_use->detail,
         .next_step = "Free that device first, or ask for one device with \"scope\":\"device\".",
         .path = in_use->path});
  }
  std::ranges::move(found, std::back_inserter(evidence));
}

void check_viability(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  auto staying = facts.bystanders;
  std::erase_if(staying, [&facts](const sysfs::Device& device) { return goes_with_a_member(device, facts); });
  for (const auto& member : facts.members) {
    if (!wants_vfio(request, member) || !member.device.iommu_group) continue;
    for (const auto& blocker : sysfs::viability_blockers(staying, facts.viability_rule)) {
      evidence.push_back({.code = "group.not_viable",
                          .severity = Severity::Warn,
                          .device = blocker.address,
                          .detail = sysfs::to_string(blocker.address) +
                                    " of the same IOMMU group stays on the driver '" + blocker.driver.text() +
                                    "': VFIO cannot use the group until it is unbound or moved too.",
                          .next_step = "Ask with \"scope\":\"group\", or move or unbind that device."});
    }
    return;  // members share one group: its blockers are named once
  }
}

}  // namespace devbindd::handoff
