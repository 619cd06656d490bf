// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/claim_reasons.hpp"

#include "handoff/plan/wanted_change.hpp"

namespace devbindd::handoff {

Evidence claim_evidence(const sysfs::PciAddress& address, const std::string& claim) {
  return {
      .code = "claim.held",
      .severity = Severity::Block,
      .acceptable = false,
      .device = address,
      .detail = sysfs::to_string(address) + ", its IOMMU group or a function of it is held by the claim " + claim + ".",
      .next_step = "Wait for the claim to end, or end it: DELETE /v1/claims/" + claim +
                   "; where it is quarantined, acknowledge that: POST /v1/claims/" + claim + "/acknowledge."};
}

void check_claim(const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!member.claimed_by.empty()) evidence.push_back(claim_evidence(member.device.address, member.claimed_by));
}

void check_cordoned(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!is_handed_over(request) || !member.cordoned) return;
  const auto name = sysfs::to_string(member.device.address);
  evidence.push_back(
      {.code = "device.cordoned",
       .severity = Severity::Block,
       .acceptable = false,
       .device = member.device.address,
       .detail = name + " gets no new claims" + (member.cordoned->empty() ? std::string(".") : ": " + *member.cordoned),
       .next_step = "Claim another device, or end that: DELETE /v1/devices/" + name + "/cordon."});
}

void check_other_tools(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const auto wanted = wanted_driver(request, member);
  const auto current = member.device.driver ? std::optional(member.device.driver->text()) : std::nullopt;
  if (!changes_binding(request) || wanted == current) return;
  const auto name = sysfs::to_string(member.device.address);
  for (const auto& tool : member.other_tools) {
    // "none" is driverctl's word for a device that no driver may have.
    const bool agrees = wanted ? wanted == tool.subject : tool.subject == "none";
    if (tool.name == "driverctl" && !agrees) {
      evidence.push_back({.code = "tool.driverctl",
                          .severity = Severity::Warn,
                          .device = member.device.address,
                          .detail = "driverctl gives " + name + " to '" + tool.subject +
                                    "' at every start and hot-plug (" + tool.path + ").",
                          .next_step = "If that is not wanted any more: driverctl unset-override " + name + "."});
    }
    if (tool.name == "libvirt") {
      evidence.push_back({.code = "tool.libvirt",
                          .severity = Severity::Warn,
                          .device = member.device.address,
                          .detail = "The libvirt domain '" + tool.subject + "' has " + name + " (" + tool.path +
                                    "): libvirt moves it when the domain starts and ends, where managed='yes'.",
                          .next_step = "Give the domain managed='no', or take the device out of it."});
    }
  }
}

}  // namespace devbindd::handoff
