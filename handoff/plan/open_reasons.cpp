// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/open_reasons.hpp"

#include <algorithm>
#include <iterator>

#include "handoff/plan/virtual_functions.hpp"
#include "handoff/plan/wanted_change.hpp"
#include "handoff/usage/usage.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

std::string names_of(const std::vector<vfio::Holder>& holders) {
  std::vector<std::string> names;
  for (const auto& holder : holders) {
    auto name = holder.command + " (pid " + std::to_string(holder.pid) + ")";
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));  // group and device descriptor
  }
  return names.empty() ? "a process that devbindd may not see" : sysfs::joined(names, ", ");
}

}  // namespace

std::optional<Evidence> open_evidence(const sysfs::Device& device, const std::vector<vfio::Holder>& holders) {
  const bool open = device.enable_count.value_or(0) > 0;
  if (!sysfs::is_vfio_bound(device) || (!open && holders.empty())) return std::nullopt;
  const auto who = names_of(holders);
  return Evidence{
      .code = "vfio.open",
      .severity = Severity::Block,
      .acceptable = true,
      .device = device.address,
      .detail =
          "The device is open through VFIO by " + who + ": the unbind would hang in the kernel until it is closed.",
      .next_step = "End the process, or accept vfio.open: the operation then stays blocked until the device is closed.",
      .processes = holders};
}

// Unbinding the PF removes its VFs, and hangs with a lock of the whole PCI core while one of them is open (kernel.md
// 4.4).
std::vector<Evidence> open_function_evidence(const sysfs::Device& device, const std::vector<OpenFunction>& functions) {
  std::vector<Evidence> evidence;
  for (const auto& function : functions) {
    const auto name = sysfs::to_string(function.address);
    evidence.push_back({.code = "sriov.vf_in_use",
                        .severity = Severity::Block,
                        .acceptable = false,
                        .device = device.address,
                        .detail = "Its virtual function " + name + " is open through VFIO by " +
                                  names_of(function.holders) +
                                  ": removing it would hang, and every other change to PCI devices with it.",
                        .next_step = "End whoever has it open.",
                        .path = {name},
                        .processes = function.holders});
  }
  return evidence;
}

// Who claims a device that is open already would share it with whoever has it.
void check_open(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (member.to_vanish) return;  // said of its PF: check_open_functions
  if (!loses_driver(request, member) && !is_handed_over(request)) return;
  auto item = open_evidence(member.device, member.holders);
  if (!item) return;
  item->acceptable = request.claim.empty() || request.after_grace;
  evidence.push_back(std::move(*item));
}

void check_open_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const bool destroyed = request.kind == ChangeKind::SetVfs && request.address == member.device.address &&
                         destroys_functions(request, member.device);
  if (!loses_driver(request, member) && !destroyed) return;
  auto found = open_function_evidence(member.device, member.open_vfs);
  std::ranges::move(found, std::back_inserter(evidence));
}

void check_uses(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!gets_another_driver(request, member)) return;
  if (!member.uses_known) {
    evidence.push_back({.code = "usage.unknown",
                        .severity = Severity::Block,
                        .acceptable = true,
                        .device = member.device.address,
                        .detail = "Whether the host uses the device could not be found out in time.",
                        .next_step = "Ask again, look at GET /v1/devices/ADDRESS/usage, or accept usage.unknown."});
  }
  for (auto& item : evidence_of(member.uses, member.device.address)) evidence.push_back(std::move(item));
}

}  // namespace devbindd::handoff
