// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_checks.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "handoff/doctor/doctor_words.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Device;
using sysfs::joined;

const sysfs::BootParameter* parameter_named(const HostFacts& facts, std::string_view name) {
  const auto& parameters = facts.iommu.parameters;
  const auto found = std::ranges::find(parameters, name, &sysfs::BootParameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

bool is_bridge(const Device& device) { return device.class_code >> 16 == 0x06; }

std::string step_to_turn_on(sysfs::OffCause cause) {
  switch (cause) {
    case sysfs::OffCause::TurnedOff: return "Take that word off the kernel command line and reboot.";
    case sysfs::OffCause::NotAskedFor: return "Add intel_iommu=on to the kernel command line and reboot.";
    case sysfs::OffCause::Firmware:
      return "Turn on VT-d, AMD-Vi or IOMMU in the firmware's settings; a virtual machine needs a virtual IOMMU from "
             "its host.";
    case sysfs::OffCause::Unknown: return "Look at /sys/class/iommu.";
    case sysfs::OffCause::Kernel:
    case sysfs::OffCause::None: break;
  }
  return "Look for DMAR, AMD-Vi or iommu in the kernel's log (journalctl -k -b).";
}

bool allows_unsafe_interrupts(const HostFacts& facts) {
  return facts.unsafe_interrupts_type1.value_or(false) || facts.unsafe_interrupts_iommufd.value_or(false);
}

using Slot = std::pair<std::uint32_t, std::pair<unsigned, unsigned>>;

Slot slot_of(const Device& device) { return {device.address.domain, {device.address.bus, device.address.slot}}; }

// Endpoints of different slots that share a group, by the group's number.
std::map<unsigned, std::vector<const Device*>> shared_groups(const HostFacts& facts) {
  std::map<unsigned, std::vector<const Device*>> groups;
  for (const auto& device : facts.devices) {
    if (device.iommu_group && !is_bridge(device)) groups[*device.iommu_group].push_back(&device);
  }
  std::erase_if(groups, [](const auto& group) {
    const auto first = slot_of(*group.second.front());
    return std::ranges::all_of(group.second, [&](const Device* member) { return slot_of(*member) == first; });
  });
  return groups;
}

}  // namespace

Check check_iommu(const HostFacts& facts) {
  const std::string id = "iommu.present";
  const std::string title = "IOMMU";
  if (!facts.iommu.translates) {
    return {id, Verdict::Fail, title, facts.iommu.why_off, step_to_turn_on(facts.iommu.off_cause)};
  }
  std::vector<std::string> units;
  for (const auto& unit : facts.units) units.push_back(unit.name);
  const auto found = counted(units.size(), "unit") + " in use: " + joined(units) + ".";
  if (facts.iommu.has_groups) return passed(id, title, found);
  return {id, Verdict::Fail, title, found + " But there is no IOMMU group: no device is behind them.",
          step_to_turn_on(sysfs::OffCause::Kernel)};
}

Check check_interrupt_remapping(const HostFacts& facts) {
  const std::string id = "iommu.interrupt_remapping";
  const std::string title = "Interrupt remapping";
  switch (facts.iommu.interrupt_remapping) {
    case sysfs::Answer::Yes: return passed(id, title, "Interrupts of devices are checked by the hardware.");
    case sysfs::Answer::Unknown:
      return {id, Verdict::Warn, title, "Whether interrupts are remapped could not be told on this platform.",
              "Look for remapping in the kernel's log (journalctl -k -b)."};
    case sysfs::Answer::No: break;
  }
  const std::string found = "Interrupts are not remapped: a device could inject any interrupt.";
  const std::string step =
      "Turn on interrupt remapping (x2APIC or interrupt remapping in the firmware's settings; no intremap=off on the "
      "kernel command line).";
  if (allows_unsafe_interrupts(facts)) {
    return {id, Verdict::Warn, title, found + " VFIO works, because allow_unsafe_interrupts is on.", step};
  }
  return {id, Verdict::Fail, title, found + " VFIO refuses to use such an IOMMU (EPERM).", step};
}

Check check_default_domain(const HostFacts& facts) {
  std::vector<std::string> types;
  for (const auto& [type, groups] : facts.iommu.domain_types) types.push_back(type + " " + std::to_string(groups));
  auto detail = types.empty() ? std::string("This kernel does not say how groups are translated.")
                              : "Groups by type: " + joined(types) + ".";
  if (const auto groups = facts.iommu.pass_through_groups(); groups > 0) {
    detail +=
        " Those of type identity are passed through: while a host driver has the device, it reaches all memory. VFIO "
        "translates it all the same.";
  }
  return passed("iommu.default_domain", "Default domains", std::move(detail));
}

Check check_acs_override(const HostFacts& facts) {
  const std::string id = "iommu.acs_override";
  const std::string title = "ACS override";
  const auto* found = parameter_named(facts, "pcie_acs_override");
  if (found == nullptr) return passed(id, title, "Groups are as the hardware isolates devices.");
  return {
      id, Verdict::Warn, title,
      "The kernel command line has " + sysfs::to_string(*found) +
          ": groups look smaller than the hardware isolates, and devices of different groups may reach each other.",
      "Do not hand devices to guests that must not trust each other, or take the word off the kernel command line."};
}

Check check_groups(const HostFacts& facts) {
  const std::string id = "iommu.groups";
  const std::string title = "IOMMU groups";
  const auto shared = shared_groups(facts);
  if (shared.empty()) return passed(id, title, "No group holds endpoints of different slots.");
  std::vector<std::string> lines;
  for (const auto& [number, members] : shared) {
    if (lines.size() == max_named) break;
    lines.push_back("group " + std::to_string(number) + " holds " + named(members));
  }
  const auto more = shared.size() - lines.size();
  return {id, Verdict::Warn, title,
          "Devices of different slots cannot be handed out apart: " + joined(lines, "; ") +
              (more == 0 ? "" : "; and " + counted(more, "more group")) + ".",
          "Hand out the whole group, or move the card to a slot below a root port with ACS."};
}

}  // namespace devbindd::handoff
