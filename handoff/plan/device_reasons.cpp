// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/device_reasons.hpp"

#include <algorithm>
#include <array>

#include "handoff/plan/wanted_change.hpp"

namespace devbindd::handoff {
namespace {

// Devices that vfio-pci refuses since they are not safe to hand out. Source: drivers/vfio/pci/vfio_pci.c,
// vfio_pci_dev_in_denylist.
bool on_denylist(std::uint16_t vendor, std::uint16_t device) {
  constexpr std::array<std::uint16_t, 8> ids = {0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443, 0x0b25, 0x0cfe};
  return vendor == 0x8086 && std::ranges::find(ids, device) != ids.end();
}

}  // namespace

Evidence bridge_evidence(const sysfs::PciAddress& address) {
  return {.code = "device.bridge",
          .severity = Severity::Block,
          .device = address,
          .detail =
              "The device is a PCI bridge: vfio-pci refuses bridges, and taking its driver away affects everything "
              "below it.",
          .next_step =
              "Bind the devices behind the bridge; \"scope\":\"group\" takes care of a bridge in their IOMMU group."};
}

Evidence system_evidence(const sysfs::Device& device) {
  const auto name = sysfs::to_string(device.address);
  const bool holds = sysfs::holds_host_together(device);
  return {.code = "device.system",
          .severity = Severity::Block,
          .acceptable = false,
          .device = device.address,
          .detail = name + " (class " + sysfs::class_text(device) + ") " +
                    (holds ? "holds the host together: firmware and kernel work with it, with or without a driver."
                           : "is a part of the chipset, and the selector does not say that it means it."),
          .next_step = holds ? "Choose a device whose IOMMU group has none such; no selector takes this one."
                             : "Select it by its device ID or class, or name it in \"devices\"."};
}

std::optional<Evidence> denylist_evidence(const sysfs::PciAddress& address, std::uint16_t vendor,
                                          std::uint16_t device) {
  if (!on_denylist(vendor, device)) return std::nullopt;
  return Evidence{.code = "device.denylisted",
                  .severity = Severity::Block,
                  .device = address,
                  .detail =
                      "The kernel keeps vfio-pci from this device, which is known not to be safe in other "
                      "hands (the kernel's answer would be EINVAL).",
                  .next_step = "Load vfio-pci with disable_denylist=1 if you know what you do."};
}

Evidence no_reset_evidence(const sysfs::PciAddress& address) {
  return {.code = "device.no_reset",
          .severity = Severity::Block,
          .acceptable = false,
          .device = address,
          .detail = sysfs::to_string(address) + " has no reset that the kernel can do for it alone.",
          .next_step = "Claim another device, or do not require the reset."};
}

Evidence read_only_evidence(const std::string& point) {
  return {.code = "host.sysfs_read_only",
          .severity = Severity::Block,
          .acceptable = false,
          .device = std::nullopt,
          .detail = point + " is mounted read-only for devbindd: no write to the kernel can succeed (EROFS).",
          .next_step = "Run devbindd on the host, or give its container or unit a writable /sys.",
          .path = {point}};
}

void check_stuck(const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (member.override_known) return;
  evidence.push_back(
      {.code = "device.stuck",
       .device = member.device.address,
       .detail =
           "Reading the device's driver_override has not returned in time: the kernel holds the device's lock, or "
           "the host is overloaded.",
       .next_step = "Find the unbind, bind or reset that has not returned, and end what it waits for; or try again."});
}

void check_bridge(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const bool asked_for = request.address == member.device.address;
  if (!changes_binding(request) || !asked_for || !sysfs::is_pci_bridge(member.device)) return;
  if (request.kind == ChangeKind::Restore) return;
  auto item = bridge_evidence(member.device.address);
  item.acceptable = request.kind == ChangeKind::Unbind;
  evidence.push_back(std::move(item));
}

void check_system(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!wants_vfio(request, member) || sysfs::is_pci_bridge(member.device)) return;
  if (sysfs::is_vfio_bound(member.device) || !sysfs::holds_host_together(member.device)) return;
  auto item = system_evidence(member.device);
  item.severity = Severity::Warn;
  item.next_step = "Leave it to the host, unless you know that nothing of the host depends on it.";
  evidence.push_back(std::move(item));
}

void check_denylist(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                    std::vector<Evidence>& evidence) {
  const auto& device = member.device;
  if (wanted_driver(request, member) != "vfio-pci" || facts.denylist_off) return;
  if (auto item = denylist_evidence(device.address, device.vendor, device.device)) evidence.push_back(std::move(*item));
}

std::string step_to_a_group(const sysfs::PciAddress& address, sysfs::GroupTime time) {
  if (time != sysfs::GroupTime::Never) {
    return "Look for what the kernel says of it: journalctl -k -b --grep '" + sysfs::to_string(address) + "|iommu'.";
  }
  return "Turn the IOMMU on in the firmware's settings, and where the processor is Intel's with intel_iommu=on on the "
         "kernel command line. GET /v1/doctor says what is missing.";
}

void check_iommu(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence) {
  const auto& device = member.device;
  if (!wants_vfio(request, member) || device.iommu_group) return;
  if (facts.group_time == sysfs::GroupTime::AtFirstDriver && !device.driver && !facts.no_iommu_mode) {
    evidence.push_back({.code = "iommu.group_later",
                        .severity = Severity::Warn,
                        .device = device.address,
                        .detail = "The device has no IOMMU group yet: on this host the kernel gives it one when a "
                                  "driver is bound to it for the first time. Which other devices are in that group is "
                                  "not known before; without one VFIO refuses the device (EINVAL).",
                        .next_step = "Look at the device's IOMMU group when it is bound."});
    return;
  }
  const std::string reason = facts.group_time == sysfs::GroupTime::Never
                                 ? "The device has no IOMMU group"
                                 : "The device has no IOMMU group, although an IOMMU is in use";
  evidence.push_back(
      {.code = "iommu.absent",
       .severity = Severity::Block,
       .acceptable = facts.no_iommu_mode,
       .device = device.address,
       .detail = reason + (facts.no_iommu_mode ? "; VFIO's no-IOMMU mode is on and would bind it without any isolation."
                                               : ": VFIO cannot take it (the kernel's answer would be EINVAL)."),
       .next_step = step_to_a_group(device.address, facts.group_time)});
}

}  // namespace devbindd::handoff
