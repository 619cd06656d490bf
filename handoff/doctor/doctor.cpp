// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "handoff/doctor/doctor_firmware.hpp"
#include "handoff/plan/forbidden_module.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Device;
using sysfs::ModuleState;

// --- judging: words

constexpr std::size_t max_named = 8;  ///< devices that one finding names; the others are counted

Check passed(std::string id, std::string title, std::string detail) {
  return {std::move(id), Verdict::Pass, std::move(title), std::move(detail), ""};
}

using sysfs::joined;

// "3 devices", "1 device".
std::string counted(std::size_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string named(const std::vector<const Device*>& devices) {
  std::vector<std::string> names;
  for (const auto* device : devices) {
    if (names.size() == max_named) break;
    names.push_back(sysfs::to_string(device->address));
  }
  const auto more = devices.size() - names.size();
  return joined(names) + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::vector<const Device*> devices_that(const HostFacts& facts, const std::function<bool(const Device&)>& are) {
  std::vector<const Device*> found;
  for (const auto& device : facts.devices) {
    if (are(device)) found.push_back(&device);
  }
  return found;
}

bool is_bridge(const Device& device) { return device.class_code >> 16 == 0x06; }

// Without bridges, and without what no driver exists for on healthy hosts: RAM and flash controllers, system
// peripherals (IOMMUs among them), signal processing, instrumentation, and functions without a class.
bool wants_driver(const Device& device) {
  switch (device.class_code >> 16) {
    case 0x00:
    case 0x06:
    case 0x08:
    case 0x11:
    case 0x13:
    case 0xff: return false;
    case 0x05: return (device.class_code >> 8 & 0xffU) == 0x02;  // CXL memory
    default: return true;
  }
}

const sysfs::BootParameter* parameter_named(const HostFacts& facts, std::string_view name) {
  const auto& parameters = facts.iommu.parameters;
  const auto found = std::ranges::find(parameters, name, &sysfs::BootParameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

std::optional<ModuleState> state_of(const HostFacts& facts, std::string_view module) {
  const auto found = std::ranges::find(facts.modules, module, &ModuleFact::name);
  return found == facts.modules.end() ? std::nullopt : found->state;
}

bool is_here(std::optional<ModuleState> state) {
  return state == ModuleState::Loaded || state == ModuleState::BuiltIn || state == ModuleState::Loadable;
}

std::string state_text(std::optional<ModuleState> state) {
  if (!state) return "unknown";
  switch (*state) {
    case ModuleState::Loaded: return "loaded";
    case ModuleState::BuiltIn: return "built in";
    case ModuleState::Loadable: return "loadable";
    case ModuleState::Blacklisted: return "blacklisted";
    case ModuleState::Unknown: break;
  }
  return "missing";
}

// {major, minor} of "6.1.0-44-amd64".
std::optional<std::pair<unsigned, unsigned>> version_of(std::string_view release) {
  std::pair<unsigned, unsigned> version;
  const auto* const end = release.data() + release.size();
  const auto [dot, error] = std::from_chars(release.data(), end, version.first);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, version.second).ec != std::errc{}) return std::nullopt;
  return version;
}

// --- the kernel

// DMA ownership of groups came with 5.19 (drivers/iommu/iommu.c, iommu_device_use_default_domain).
Check check_kernel_version(const HostFacts& facts) {
  const std::string id = "kernel.version";
  const std::string title = "Kernel version";
  const auto version = version_of(facts.kernel_release);
  if (!version) {
    return {id, Verdict::Warn, title, "The kernel's version could not be read.",
            "Make sure that it is 5.19 or later (uname -r)."};
  }
  if (*version >= std::pair(5U, 19U)) return passed(id, title, "Linux " + facts.kernel_release + ".");
  return {id, Verdict::Warn, title,
          "Linux " + facts.kernel_release +
              " is older than 5.19: when a host driver binds to a device whose IOMMU group is in use through VFIO, the "
              "kernel crashes.",
          "Update the kernel, or hand out whole IOMMU groups only, so that no member is left to a host driver."};
}

Check check_lockdown(const HostFacts& facts) {
  const std::string id = "kernel.lockdown";
  const std::string title = "Kernel lockdown";
  if (!facts.lockdown) return passed(id, title, "This kernel has no lockdown.");
  if (*facts.lockdown == "none") return passed(id, title, "Off.");
  return {
      id, Verdict::Warn, title,
      "Lockdown is on (" + *facts.lockdown +
          "): writes to the configuration space and access to BARs through sysfs are refused. VFIO and binding work.",
      "Use VFIO rather than UIO or resource files; where those are needed, boot without Secure Boot or lockdown=."};
}

Check check_sysfs(const HostFacts& facts) {
  const std::string id = "kernel.sysfs";
  const std::string title = "Writing to /sys";
  if (!facts.read_only_sysfs)
    return passed(id, title, "What a change of a PCI device writes to is not mounted read-only.");
  return {
      id, Verdict::Fail, title,
      *facts.read_only_sysfs + " is mounted read-only for devbindd: every bind, unbind and reset will fail (EROFS).",
      "Run devbindd on the host, or give its container or unit a writable /sys."};
}

// --- the IOMMU

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

bool allows_unsafe_interrupts(const HostFacts& facts) {
  return facts.unsafe_interrupts_type1.value_or(false) || facts.unsafe_interrupts_iommufd.value_or(false);
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

// --- VFIO

bool container_is_dispensable(const HostFacts& facts, std::string_view module) {
  return module == "vfio_iommu_type1" && is_here(state_of(facts, "iommufd"));
}

Verdict verdict_on(const HostFacts& facts, std::string_view module) {
  const auto state = state_of(facts, module);
  if (is_here(state)) return Verdict::Pass;
  return !state || container_is_dispensable(facts, module) ? Verdict::Warn : Verdict::Fail;
}

std::vector<sysfs::ModuleBan> bans_of(const HostFacts& facts, std::string_view module) {
  return sysfs::module_bans(facts.modprobe_lines, facts.iommu.parameters, module);
}

std::string step_for_modules(const HostFacts& facts) {
  const auto forbidden = std::ranges::find(facts.modules, std::optional(ModuleState::Blacklisted), &ModuleFact::state);
  if (forbidden != facts.modules.end()) return step_against(forbidden->name, bans_of(facts, forbidden->name));
  return "Install the package with the kernel's modules, or a kernel with CONFIG_VFIO_PCI and CONFIG_VFIO_IOMMU_TYPE1.";
}

Check check_modules(const HostFacts& facts) {
  Check check = passed("vfio.modules", "VFIO modules", "");
  std::vector<std::string> states;
  for (const auto* module : {"vfio", "vfio_pci", "vfio_iommu_type1"}) {
    states.push_back(std::string(module) + " is " + state_text(state_of(facts, module)));
    check.verdict = std::max(check.verdict, verdict_on(facts, module));
  }
  check.detail = joined(states) + ".";
  if (check.verdict != Verdict::Pass) check.next_step = step_for_modules(facts);
  return check;
}

Check check_iommufd(const HostFacts& facts) {
  const auto state = state_of(facts, "iommufd");
  return passed("vfio.iommufd", "iommufd",
                is_here(state) ? "iommufd is " + state_text(state) + "."
                               : "Not here; VFIO's groups and containers do without it.");
}

std::string text_of(const sysfs::ModprobeLine& line) {
  return line.command + " " + line.module + (line.arguments.empty() ? "" : " " + line.arguments) + " (" +
         place_of(line) + ")";
}

// A line that is about several of them is told once.
Check check_blacklist(const HostFacts& facts) {
  const std::string id = "vfio.blacklist";
  const std::string title = "Modules that may not be loaded";
  std::vector<std::string> found;
  std::vector<std::string> steps;
  const auto add = [](std::vector<std::string>& list, const std::string& text) {
    if (std::ranges::find(list, text) == list.end()) list.push_back(text);
  };
  for (const auto* module : {"vfio", "vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "iommufd"}) {
    const auto bans = bans_of(facts, module);
    for (const auto& ban : bans) add(found, sysfs::to_string(ban));
    if (!bans.empty()) add(steps, step_against(module, bans));
  }
  if (found.empty()) return passed(id, title, "None of VFIO's.");
  return {id, Verdict::Warn, title, "VFIO modules are forbidden: " + joined(found, "; ") + ".", joined(steps, " ")};
}

// lib/kstrtox.c, kstrtobool: the first character counts, of "on" and "off" the second.
bool is_on(const std::optional<std::string>& value) {
  if (!value) return true;  // a word without a value
  if (value->empty()) return false;
  const char first = value->front();
  if (first == 'o' || first == 'O') return value->size() > 1 && ((*value)[1] == 'n' || (*value)[1] == 'N');
  return first == '1' || first == 'y' || first == 'Y' || first == 't' || first == 'T';
}

struct Setting {
  std::optional<std::string> value;
  std::string place;
};

// Where a module that is not loaded yet gets a parameter from: the last of modprobe.d and the kernel command line.
std::optional<Setting> setting(const HostFacts& facts, const std::string& module, const std::string& parameter) {
  std::optional<Setting> last;
  for (const auto& line : facts.modprobe_lines) {
    if (line.command != "options" || line.module != module) continue;
    for (const auto& word : sysfs::parse_command_line(line.arguments)) {
      if (word.name == parameter) last = Setting{word.value, text_of(line)};
    }
  }
  for (const auto& word : facts.iommu.parameters) {
    if (word.name == module + "." + parameter)
      last = Setting{word.value, sysfs::to_string(word) + " (kernel command line)"};
  }
  return last;
}

struct Switch {
  std::string module;
  std::string parameter;
  std::optional<bool> now;  ///< nullopt: the module is not loaded
};

// What is on now; for a module that is not loaded, what will be on once it is.
std::vector<std::string> switches_on(const HostFacts& facts, const std::vector<Switch>& switches) {
  std::vector<std::string> found;
  for (const auto& each : switches) {
    if (each.now == true) found.push_back("/sys/module/" + each.module + "/parameters/" + each.parameter);
    if (each.now) continue;
    const auto set = setting(facts, each.module, each.parameter);
    if (set && is_on(set->value)) found.push_back(set->place);
  }
  return found;
}

Check check_unsafe_interrupts(const HostFacts& facts) {
  const std::string id = "vfio.unsafe_interrupts";
  const std::string title = "Unsafe interrupts";
  const auto found = switches_on(facts, {{"vfio_iommu_type1", "allow_unsafe_interrupts", facts.unsafe_interrupts_type1},
                                         {"iommufd", "allow_unsafe_interrupts", facts.unsafe_interrupts_iommufd}});
  if (found.empty()) return passed(id, title, "Not allowed.");
  return {id, Verdict::Warn, title,
          "VFIO may use an IOMMU that does not remap interrupts: " + joined(found, "; ") + ".",
          "Turn it off: with interrupt remapping it is not needed, and without, a guest can attack the host."};
}

Check check_no_iommu(const HostFacts& facts) {
  const std::string id = "vfio.no_iommu";
  const std::string title = "No-IOMMU mode";
  const auto found = switches_on(facts, {{"vfio", "enable_unsafe_noiommu_mode", facts.no_iommu_mode}});
  if (found.empty()) return passed(id, title, "Off.");
  return {id, Verdict::Warn, title,
          "VFIO hands out devices without an IOMMU, which then reach all memory: " + joined(found, "; ") + ".",
          "Turn it off where there is an IOMMU; without one, use it for trusted programs only."};
}

Check check_boot_ids(const HostFacts& facts) {
  const std::string id = "vfio.ids";
  const std::string title = "IDs that vfio-pci takes at boot";
  const auto ids = setting(facts, "vfio_pci", "ids");
  if (!ids || ids->value.value_or("").empty()) return passed(id, title, "None.");
  return {id, Verdict::Warn, title,
          "vfio-pci takes every device of these IDs, also those that nobody asked for: " + ids->place + ".",
          "Remove the line and bind devices one by one instead."};
}

// --- drivers and devices

Check check_uio(const HostFacts& facts) {
  const std::string id = "drivers.uio";
  const std::string title = "UIO drivers";
  const auto bound = devices_that(facts, [](const Device& device) {
    return device.driver && (device.driver->text() == "uio_pci_generic" || device.driver->text() == "igb_uio");
  });
  if (facts.uio_drivers.empty() && bound.empty()) return passed(id, title, "None is loaded.");
  return {id, Verdict::Warn, title,
          (bound.empty() ? joined(facts.uio_drivers) + " is loaded." : "UIO drivers have " + named(bound) + ".") +
              " A device on UIO reaches all memory, and keeps its IOMMU group from VFIO.",
          "Bind the devices to vfio-pci instead, then unload the UIO driver."};
}

Check check_driverless(const HostFacts& facts) {
  const std::string id = "devices.driverless";
  const std::string title = "Devices without a driver";
  const auto found = devices_that(
      facts, [](const Device& device) { return !device.driver && !device.physfn && wants_driver(device); });
  if (found.empty()) return passed(id, title, "None, apart from bridges and system devices.");
  return {id, Verdict::Warn, title, counted(found.size(), "device") + " without a driver: " + named(found) + ".",
          "If one of them was meant to be in use, bind it; a driver may have failed (journalctl -k -b)."};
}

// The link to the driver goes away at the start of an unbind, the device is disabled near its end. Bridges are enabled
// for what is below them, and IOMMUs by the IOMMU's driver, both without a driver of their own.
// An override that names another driver than the device has keeps every driver but that one away, silently.
Check check_overrides(const HostFacts& facts) {
  const std::string id = "devices.overrides";
  const std::string title = "Driver overrides";
  if (!facts.overrides) {
    return {id, Verdict::Warn, title, "They could not be read: the kernel is busy with a device and holds its lock.",
            "Look for an unbind, bind or reset that has not returned."};
  }
  std::vector<std::string> stale;
  for (const auto& device : facts.devices) {
    const auto found = facts.overrides->find(device.address);
    if (found == facts.overrides->end() || (device.driver && device.driver->text() == found->second)) continue;
    stale.push_back(sysfs::to_string(device.address) + " (" + found->second + ")");
  }
  if (stale.empty()) return passed(id, title, facts.overrides->empty() ? "None." : "Each names the driver in use.");
  const auto count = stale.size();
  if (count > max_named) stale.resize(max_named);
  return {id, Verdict::Warn, title,
          counted(count, "device") + " may only have a driver that does not have it now: " + joined(stale) + ".",
          "DELETE /v1/devices/ADDRESS/driver-override, if nobody means it to be so (driverctl does, on purpose)."};
}

Check check_unbinding(const HostFacts& facts) {
  const std::string id = "devices.unbinding";
  const std::string title = "Unbinds that hang";
  const auto found = devices_that(facts, [](const Device& device) {
    return !device.driver && device.enable_count.value_or(0) > 0 && wants_driver(device);
  });
  if (found.empty()) return passed(id, title, "None.");
  return {id, Verdict::Fail, title,
          counted(found.size(), "device") + " without a driver, but still enabled: " + named(found) +
              ". An unbind waits in the kernel until somebody closes the device.",
          "Find who has it open (its operation names them, or fuser /dev/vfio/*) and end that program."};
}

// --- memory

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::pair<unsigned, const char*>, 3> units{{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
  for (const auto& [shift, name] : units) {
    if (bytes >= 1ULL << shift) return std::to_string(bytes >> shift) + " " + name;
  }
  return std::to_string(bytes) + " bytes";
}

std::string limit_text(const std::optional<std::uint64_t>& limit) { return limit ? size_text(*limit) : "unlimited"; }

// What VFIO maps is charged to the process that maps it (kernel 6.1: vfio_iommu_type1.c, vfio_lock_acct).
Check check_locked_memory(const HostFacts& facts) {
  const std::string id = "memory.locked";
  const std::string title = "Locked memory";
  const std::string step =
      "Give whoever uses VFIO LimitMEMLOCK=infinity (systemd), memlock in limits.conf, or CAP_IPC_LOCK.";
  if (!facts.locked_memory) return {id, Verdict::Warn, title, "The limit could not be read.", step};
  const auto found = "The limit of this process is " + limit_text(facts.locked_memory->soft) + ", at most " +
                     limit_text(facts.locked_memory->hard) + "; other services have their own.";
  const auto hard = facts.locked_memory->hard;
  if (!hard || (facts.memory_bytes > 0 && *hard >= facts.memory_bytes)) return passed(id, title, found);
  return {id, Verdict::Warn, title,
          found + " A program with such a limit cannot map more for DMA: a guest needs all of its RAM.", step};
}

std::string pool_text(const HugepagePool& pool) {
  return std::to_string(pool.total) + " of " + size_text(pool.size_kib * 1024) +
         (pool.node ? " on node " + std::to_string(*pool.node) : "") + " (" + std::to_string(pool.free) + " free)";
}

Check check_hugepages(const HostFacts& facts) {
  const std::string id = "memory.hugepages";
  const std::string title = "Huge pages";
  std::vector<std::string> pools;
  std::uint64_t available = 0;
  for (const auto& pool : facts.hugepages) {
    if (pool.total > 0) pools.push_back(pool_text(pool));
    available += pool.free;
  }
  if (available > 0) return passed(id, title, joined(pools) + ".");
  if (!pools.empty()) {
    return {id, Verdict::Warn, title, "All are taken: " + joined(pools) + ".", "Reserve more before the next program."};
  }
  return {id, Verdict::Warn, title, "None are reserved. VFIO needs none, but DPDK, SPDK and fast guests do.",
          "For DPDK: echo 1024 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or hugepages= at boot."};
}

// --- devbindd's own state

Check check_damaged_rows(const HostFacts& facts) {
  const std::string id = "state.damaged";
  const std::string title = "devbindd's state";
  if (facts.damaged_rows.empty()) return passed(id, title, "Every row of the state database could be read.");
  std::vector<std::string> rows;
  for (const auto& row : facts.damaged_rows) {
    if (rows.size() == max_named) break;
    rows.push_back(row.table + " " + row.key + " (" + row.reason + ")");
  }
  const auto more = facts.damaged_rows.size() - rows.size();
  return {id, Verdict::Warn, title,
          counted(facts.damaged_rows.size(), "row") + " of the state database could not be read: " + joined(rows) +
              (more == 0 ? "" : " and " + std::to_string(more) + " more") + ".",
          "Look at them in the table damaged of state.db in the state directory, and at the disk below it; delete them "
          "there when they are of no use."};
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Pass: return "pass";
    case Verdict::Warn: return "warn";
    case Verdict::Fail: break;
  }
  return "fail";
}

std::vector<Check> examine(const HostFacts& facts) {
  std::vector<Check> checks{check_kernel_version(facts), check_lockdown(facts), check_sysfs(facts), check_iommu(facts)};
  if (auto tables = check_firmware_tables(facts)) checks.push_back(std::move(*tables));
  if (facts.iommu.translates) {
    for (const auto check :
         {check_interrupt_remapping, check_default_domain, check_acs_override, check_groups, check_firmware_memory}) {
      checks.push_back(check(facts));
    }
  }
  for (const auto check : {check_modules, check_iommufd, check_blacklist, check_unsafe_interrupts, check_no_iommu,
                           check_boot_ids, check_uio, check_driverless, check_overrides, check_unbinding,
                           check_locked_memory, check_hugepages, check_damaged_rows}) {
    checks.push_back(check(facts));
  }
  return checks;
}

}  // namespace devbindd::handoff
