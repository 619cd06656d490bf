// SPDX-License-Identifier: Apache-2.0
// The preflight: is this host fit to hand devices to VFIO, and if not, what to do. Facts are gathered in one step and
// judged in another, which is pure.
// Not here: whether one device may be handed over (verdict.hpp), the report's text (api/render/doctor_text.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/journal/journal.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/firmware/firmware_tables.hpp"
#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/kernel/locked_memory.hpp"
#include "sysfs/kernel/modprobe_lines.hpp"

namespace devbindd::handoff {

struct ModuleFact {
  std::string name;                         ///< with underscores
  std::optional<sysfs::ModuleState> state;  ///< nullopt: it could not be found out
};

/// The huge pages of one size, of one NUMA node where the kernel knows nodes.
struct HugepagePool {
  std::uint64_t size_kib = 0;
  std::optional<unsigned> node;
  std::uint64_t total = 0;
  std::uint64_t free = 0;
};

/// What the checks look at. A member that is empty could not be read, unless it says otherwise.
struct HostFacts {
  std::string kernel_release;           ///< "6.1.0-44-amd64"
  std::optional<std::string> lockdown;  ///< "none", "integrity", "confidentiality"; nullopt: no such security module
  std::optional<std::string> read_only_sysfs;  ///< the mount point that keeps every write from the kernel
  sysfs::IommuState iommu;
  std::vector<sysfs::IommuUnit> units;
  sysfs::FirmwareTables firmware;                  ///< without a device tree
  std::map<unsigned, std::string> refused_groups;  ///< groups that the kernel refuses for memory of the firmware's: why
  std::vector<ModuleFact> modules;                 ///< vfio, vfio_pci, vfio_iommu_type1, iommufd
  std::optional<bool> unsafe_interrupts_type1;     ///< vfio_iommu_type1.allow_unsafe_interrupts; nullopt: not loaded
  std::optional<bool> unsafe_interrupts_iommufd;   ///< iommufd.allow_unsafe_interrupts; nullopt: not loaded
  std::optional<bool> no_iommu_mode;  ///< vfio.enable_unsafe_noiommu_mode; nullopt: not loaded or not compiled in
  std::vector<sysfs::ModprobeLine> modprobe_lines;
  std::vector<std::string> uio_drivers;                   ///< of uio_pci_generic and igb_uio, those that are loaded
  std::optional<sysfs::LockedMemoryLimit> locked_memory;  ///< of this process
  std::uint64_t memory_bytes = 0;                         ///< RAM of the host; 0: unknown
  std::vector<HugepagePool> hugepages;                    ///< empty: the kernel has none
  std::vector<sysfs::Device> devices;                     ///< all of the host's; the caller fills it
  /// The driver_override of each device that has one; a worker reads them, since that can hang. nullopt: it did.
  std::optional<std::map<sysfs::PciAddress, std::string>> overrides = std::map<sysfs::PciAddress, std::string>{};
  std::vector<DamagedRow> damaged_rows;  ///< of devbindd's own state; the caller fills it
};

enum class Verdict { Pass, Warn, Fail };

/// "pass", "warn", "fail".
std::string_view name_of(Verdict verdict);

struct Check {
  std::string id;  ///< "iommu.present": stable
  Verdict verdict = Verdict::Pass;
  std::string title;      ///< what was looked at
  std::string detail;     ///< what was found, in sentences
  std::string next_step;  ///< what to do; "" when it passed
};

/// Reads files that never block; driver_override and sriov_numvfs are not among them. All but the devices, which the
/// caller has, and their overrides. What cannot be read is missing from the facts. Error: Kernel, when the list of
/// IOMMUs is there and cannot be read, since every other finding hangs on it.
sysfs::Result<HostFacts> gather_host_facts(const sysfs::Tree& tree, const sysfs::ModuleIndex& index);

/// Every check in the order of a report: the kernel, the IOMMU, VFIO, drivers and devices, memory, devbindd's state.
/// Without an IOMMU in use, what only makes sense with one (iommu.interrupt_remapping, .default_domain, .acs_override,
/// .groups, .firmware_memory) is left out, as is iommu.firmware_tables where there are none.
std::vector<Check> examine(const HostFacts& facts);

}  // namespace devbindd::handoff
