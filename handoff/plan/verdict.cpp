// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/verdict.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "handoff/plan/forbidden_module.hpp"
#include "handoff/plan/virtual_functions.hpp"
#include "handoff/usage/usage.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::joined;

std::string names_of(const std::vector<vfio::Holder>& holders) {
  std::vector<std::string> names;
  for (const auto& holder : holders) {
    auto name = holder.command + " (pid " + std::to_string(holder.pid) + ")";
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));  // group and device descriptor
  }
  return names.empty() ? "a process that devbindd may not see" : joined(names, ", ");
}

bool loses_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (!changes_binding(request) || !member.device.driver) return false;
  if (request.kind == ChangeKind::Restore && !member.original) return false;
  return wanted_driver(request, member) != member.device.driver->text();
}

bool wants_vfio(const ChangeRequest& request, const MemberFacts& member) {
  const auto wanted = wanted_driver(request, member);
  if (!wanted) return false;
  const auto name = sysfs::DriverName::parse(*wanted);
  return name && sysfs::is_vfio_driver(*name);
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

// Asked for by its address or with its group: then it is said, and not refused.
void check_system(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!wants_vfio(request, member) || sysfs::is_pci_bridge(member.device)) return;
  if (sysfs::is_vfio_bound(member.device) || !sysfs::holds_host_together(member.device)) return;
  auto item = system_evidence(member.device);
  item.severity = Severity::Warn;
  item.next_step = "Leave it to the host, unless you know that nothing of the host depends on it.";
  evidence.push_back(std::move(item));
}

// A device without a driver can be in use all the same: a process may have its memory mapped.
bool gets_another_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (member.device.driver) return loses_driver(request, member);
  if (!changes_binding(request) || (request.kind == ChangeKind::Restore && !member.original)) return false;
  return wanted_driver(request, member).has_value();
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

// The codes of what blocks are the sibling's own; this one tells whose device stands in the way of the one asked for.
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

// Who claims a device that is open already would share it with whoever has it.
void check_open(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (member.to_vanish) return;  // said of its PF: check_open_functions
  const bool to_be_handed_over = request.kind == ChangeKind::Bind && !request.claim.empty();
  if (!loses_driver(request, member) && !to_be_handed_over) return;
  auto item = open_evidence(member.device, member.holders);
  if (!item) return;
  item->acceptable = request.claim.empty() || request.after_grace;
  evidence.push_back(std::move(*item));
}

// A give-back goes on without them.
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

void check_claim(const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!member.claimed_by.empty()) evidence.push_back(claim_evidence(member.device.address, member.claimed_by));
}

void check_drained(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const bool to_be_handed_over = request.kind == ChangeKind::Bind && !request.claim.empty();
  if (!to_be_handed_over || !member.drained) return;
  const auto name = sysfs::to_string(member.device.address);
  evidence.push_back(
      {.code = "device.drained",
       .severity = Severity::Block,
       .acceptable = false,
       .device = member.device.address,
       .detail = name + " gets no new claims" + (member.drained->empty() ? std::string(".") : ": " + *member.drained),
       .next_step = "Claim another device, or end that: DELETE /v1/devices/" + name + "/drain."});
}

// Warnings: what is asked for is done, but does not last.
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

void check_virtual_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  if (!loses_driver(request, member)) return;
  auto item = functions_evidence(member.device);
  if (!item) return;
  item->acceptable = !wants_vfio(request, member);
  evidence.push_back(std::move(*item));
}

void check_open_functions(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence) {
  const bool destroyed = request.kind == ChangeKind::SetVfs && request.address == member.device.address &&
                         destroys_functions(request, member.device);
  if (!loses_driver(request, member) && !destroyed) return;
  auto found = open_function_evidence(member.device, member.open_vfs);
  std::ranges::move(found, std::back_inserter(evidence));
}

// Devices that vfio-pci refuses since they are not safe to hand out. Source: drivers/vfio/pci/vfio_pci.c,
// vfio_pci_dev_in_denylist.
bool on_denylist(std::uint16_t vendor, std::uint16_t device) {
  constexpr std::array<std::uint16_t, 8> ids = {0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443, 0x0b25, 0x0cfe};
  return vendor == 0x8086 && std::ranges::find(ids, device) != ids.end();
}

void check_denylist(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                    std::vector<Evidence>& evidence) {
  const auto& device = member.device;
  if (wanted_driver(request, member) != "vfio-pci" || facts.denylist_off) return;
  if (auto item = denylist_evidence(device.address, device.vendor, device.device)) evidence.push_back(std::move(*item));
}

void check_iommu(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence) {
  if (!wants_vfio(request, member) || member.device.iommu_group) return;
  evidence.push_back(
      {.code = "iommu.absent",
       .severity = Severity::Block,
       .acceptable = facts.no_iommu_mode,
       .device = member.device.address,
       .detail =
           facts.no_iommu_mode
               ? "The device has no IOMMU group; VFIO's no-IOMMU mode is on and would bind it without any isolation."
               : "The device has no IOMMU group: VFIO cannot take it (the kernel's answer would be EINVAL).",
       .next_step =
           "Turn the IOMMU on in the firmware and on the kernel command line (intel_iommu=on or amd_iommu=on)."});
}

void check_driver(const std::string& driver, const sysfs::PciAddress* address, const Facts& facts,
                  std::vector<Evidence>& evidence) {
  const auto found = facts.drivers.find(driver);
  if (found == facts.drivers.end() || found->second.registered) return;
  const auto& module = found->second.module;
  Evidence item{.code = "driver.absent", .device = address != nullptr ? std::optional(*address) : std::nullopt};
  switch (found->second.module_state) {
    case sysfs::ModuleState::Loadable: return;
    case sysfs::ModuleState::Blacklisted:
      item.code = "driver.blacklisted";
      item.detail =
          "The module " + module + " of the driver '" + driver + "' is kept from being loaded" +
          (found->second.bans.empty() ? " by modprobe's configuration." : ": " + named(found->second.bans) + ".");
      item.next_step = step_against(module, found->second.bans);
      break;
    case sysfs::ModuleState::Loaded:
    case sysfs::ModuleState::BuiltIn:
      item.detail = "The module " + module + " is loaded, but no PCI driver '" + driver + "' is registered.";
      item.next_step = "Look at GET /v1/drivers for the exact name: a driver's name may differ from its module's.";
      break;
    case sysfs::ModuleState::Unknown:
      item.detail = "There is no PCI driver '" + driver + "', and no module " + module + " for the running kernel.";
      item.next_step = "Look at GET /v1/drivers for the drivers that are there, and check the spelling.";
      break;
  }
  evidence.push_back(std::move(item));
}

void check_match(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence) {
  if (request.kind != ChangeKind::Bind) return;
  const auto& driver = request.driver->text();
  const bool current = member.device.driver && member.device.driver->text() == driver;
  const bool earlier = member.original && member.original->driver == driver;
  if (current || earlier) return;
  if (auto item = match_evidence(*request.driver, member.device.address, member.candidate_modules, facts))
    evidence.push_back(std::move(*item));
}

void check_captures(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const bool adds_id =
      request.kind == ChangeKind::AddId || (request.kind == ChangeKind::Bind && request.method == Method::NewId);
  // The bare step is asked for in order to capture a device: only further ones come unasked.
  const std::size_t expected = request.kind == ChangeKind::AddId ? 1 : 0;
  if (!adds_id || facts.id_captures.size() <= expected) return;
  std::vector<std::string> names;
  for (const auto& address : facts.id_captures) names.push_back(sysfs::to_string(address));
  evidence.push_back(
      {.code = "driver.id_captures",
       .severity = Severity::Block,
       .acceptable = true,
       .device = request.address,
       .detail = "The new ID makes the driver take every unbound device of the same kind at once: " +
                 joined(names, ", ") + ".",
       .next_step = "Use the driver_override method, which touches one device, or accept driver.id_captures."});
}

// A function below one that is not a bridge (Intel VMD) is in its group, and goes when that one loses its driver.
bool goes_with_a_member(const sysfs::Device& device, const Facts& facts) {
  return std::ranges::any_of(facts.members, [&device](const MemberFacts& member) {
    const auto& above = member.device.sysfs_path;
    return !above.empty() && !sysfs::is_pci_bridge(member.device) && device.sysfs_path.starts_with(above + "/");
  });
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

}  // namespace

std::optional<Evidence> match_evidence(const sysfs::DriverName& driver, const sysfs::PciAddress& address,
                                       const std::vector<std::string>& modules, const Facts& facts) {
  const auto& name = driver.text();
  if (is_userspace_driver(name) || name == "pci-stub") return std::nullopt;
  const auto known = facts.drivers.find(name);
  const bool loadable = known != facts.drivers.end() &&
                        (known->second.registered || known->second.module_state == sysfs::ModuleState::Loadable);
  if (!loadable) return std::nullopt;  // driver.absent says it all
  if (std::ranges::find(modules, sysfs::module_of_driver(driver)) != modules.end()) return std::nullopt;
  return Evidence{.code = "driver.no_match",
                  .severity = Severity::Block,
                  .acceptable = true,
                  .device = address,
                  .detail = "The driver '" + name + "' does not list this device among its IDs" +
                            (modules.empty() ? "." : " (drivers that do: " + joined(modules, ", ") + ")."),
                  .next_step =
                      "Choose one of the candidates, or accept driver.no_match: a driver forced onto a "
                      "foreign device can crash the kernel."};
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

Evidence read_only_evidence(const std::string& point) {
  return {.code = "host.sysfs_read_only",
          .severity = Severity::Block,
          .acceptable = false,
          .device = std::nullopt,
          .detail = point + " is mounted read-only for devbindd: no write to the kernel can succeed (EROFS).",
          .next_step = "Run devbindd on the host, or give its container or unit a writable /sys.",
          .path = {point}};
}

Evidence no_reset_evidence(const sysfs::PciAddress& address) {
  return {.code = "device.no_reset",
          .severity = Severity::Block,
          .acceptable = false,
          .device = address,
          .detail = sysfs::to_string(address) + " has no reset that the kernel can do for it alone.",
          .next_step = "Claim another device, or do not require the reset."};
}

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

std::vector<Evidence> verdict(const ChangeRequest& request, const Facts& facts) {
  std::vector<Evidence> evidence;
  for (const auto& member : facts.members) {
    check_stuck(member, evidence);
    check_claim(member, evidence);
    check_settings(request, member, evidence);
    check_drained(request, member, evidence);
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
