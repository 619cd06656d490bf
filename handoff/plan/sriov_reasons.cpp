// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/sriov_reasons.hpp"

#include "handoff/plan/wanted_change.hpp"

namespace devbindd::handoff {

std::optional<Evidence> functions_evidence(const sysfs::Device& device) {
  if (device.virtfns.empty()) return std::nullopt;
  return Evidence{.code = "sriov.vfs_enabled",
                  .severity = Severity::Block,
                  .acceptable = true,
                  .device = device.address,
                  .detail = "The device is an SR-IOV physical function with " + std::to_string(device.virtfns.size()) +
                            " VFs: unbinding its driver destroys them, and VFIO does not take it while they exist.",
                  .next_step = "Set the number of VFs to 0 first."};
}

void check_virtual_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!loses_driver(request, member)) return;
  auto item = functions_evidence(member.device);
  if (!item) return;
  item->acceptable = !wants_vfio(request, member);
  evidence.push_back(std::move(*item));
}

void check_settings(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const bool known = request.kind == ChangeKind::Restore && member.original && member.original->vf_settings;
  if (!known || member.vf_settings || member.vf_settings_missing.empty()) return;
  evidence.push_back({.code = "sriov.settings_lost",
                      .severity = Severity::Warn,
                      .device = member.device.address,
                      .detail = "What its physical function's driver had been told of " +
                                sysfs::to_string(member.device.address) + " cannot be brought back: " +
                                member.vf_settings_missing + ". It was " + *member.original->vf_settings + ".",
                      .next_step = "Set it by hand (ip link set dev ... vf ...)."});
}

}  // namespace devbindd::handoff
