// SPDX-License-Identifier: Apache-2.0
// Whether the host translates and isolates the DMA of its devices, how, and why not: what to know before VFIO is tried.
// Reads /sys and /proc only; every file may be missing. Not here: the units and groups one by one (iommu_unit.hpp,
// iommu_group.hpp), and advice on what to do (handoff/doctor/doctor.hpp).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/command_line.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

enum class Answer { Yes, No, Unknown };

/// Who keeps translation off, which is also who can turn it on.
enum class OffCause {
  None,         ///< it is on
  TurnedOff,    ///< a word of the kernel command line
  NotAskedFor,  ///< the kernel wants a word on its command line (Intel, by its configuration)
  Firmware,     ///< no table announces an IOMMU
  Kernel,       ///< announced and not turned off, and yet not in use
  Unknown,      ///< the kernel's list cannot be read
};

struct IommuState {
  bool translates = false;                          ///< the kernel uses at least one IOMMU
  bool has_groups = false;                          ///< without those of VFIO's no-IOMMU mode
  std::size_t no_iommu_groups = 0;                  ///< stand-ins of VFIO's no-IOMMU mode
  std::map<std::string, std::size_t> domain_types;  ///< default domains: "DMA-FQ" -> 24 groups (kernel 5.11)
  /// Whether interrupts of devices are checked: remapped (x86) or isolated (Arm ITS). Without, VFIO refuses.
  Answer interrupt_remapping = Answer::Unknown;
  std::vector<std::string> firmware_tables;  ///< ACPI tables that announce IOMMUs: of "DMAR", "IVRS", "IORT", "VIOT"
  std::vector<BootParameter> parameters;     ///< of the kernel command line, those that matter here
  OffCause off_cause = OffCause::None;
  std::string why_off;  ///< one sentence for a person; "" when it is on

  /// Groups whose devices reach all memory while the host drives them ("identity"): fast, without protection from the
  /// device. VFIO gives them a domain of their own none the less.
  std::size_t pass_through_groups() const;
};

/// Never fails: what cannot be read is absent, No or Unknown.
/// Source: drivers/iommu/iommu.c, iommu_group_show_type; drivers/iommu/irq_remapping.c ("IR-" before the chip's name);
/// Documentation/admin-guide/kernel-parameters.txt.
IommuState read_iommu_state(const Tree& tree);

}  // namespace devbindd::sysfs
