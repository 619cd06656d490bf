// SPDX-License-Identifier: Apache-2.0
// Which structure of the firmware's tables describes which unit of the kernel's.
#pragma once

#include "sysfs/firmware/firmware_structure.hpp"
#include "sysfs/iommu/iommu_unit.hpp"

namespace devbindd::sysfs {

/// For each unit the index of its structure, or nullopt. Intel's and Arm's by the address of their registers, which the
/// kernel shows; AMD's by the PCI function that the unit is, or by their order where sysfs does not tell it; virtio's
/// by either. No structure is given to two units.
std::vector<std::optional<std::size_t>> structures_of(const Tree& tree, const std::vector<IommuUnit>& units,
                                                      const std::vector<FirmwareStructure>& structures);

}  // namespace devbindd::sysfs
