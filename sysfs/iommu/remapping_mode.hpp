// SPDX-License-Identifier: Apache-2.0
// In which mode interrupts are remapped, and how that was found out: the kernel shows it nowhere but in its log.
#pragma once

#include "sysfs/firmware/firmware_tables.hpp"
#include "sysfs/iommu/firmware_log.hpp"
#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"

namespace devbindd::sysfs {

struct RemappingFinding {
  std::optional<RemappingMode> mode;  ///< nullopt: it cannot be known
  std::string source;                 ///< where it was learned, or why it cannot be known; for a person
};

/// By the log; where that says nothing (any more), by the rule by which an Intel kernel chooses: x2apic when the
/// processors have it, the firmware does not opt out and every unit takes 32-bit destinations.
/// Source: drivers/iommu/intel/irq_remapping.c, intel_prepare_irq_remapping(); drivers/iommu/amd/init.c,
/// init_iommu_one().
RemappingFinding remapping_mode(const Tree& tree, const IommuState& state, const std::vector<IommuUnit>& units,
                                const FirmwareTables& tables, const FirmwareLog& log);

}  // namespace devbindd::sysfs
