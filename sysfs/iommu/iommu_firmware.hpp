// SPDX-License-Identifier: Apache-2.0
// All that is told of this host's IOMMUs by its firmware, joined with the kernel's units, groups and devices.
// Reads /sys and /proc, beside the daemon's thread: a device tree has thousands of files.
#pragma once

#include <map>

#include "sysfs/iommu/remapping_mode.hpp"
#include "sysfs/iommu/unit_firmware.hpp"

namespace devbindd::sysfs {

struct IommuFirmware {
  FirmwareTables tables;
  FirmwareDescription description;
  std::vector<std::optional<std::size_t>> of_units;  ///< for each unit, which of the description's structures it is
  std::vector<DevicePlace> places;                   ///< of all PCI functions
  std::map<PciAddress, unsigned> groups;             ///< of the functions that the firmware reserves memory for
  FirmwareLog log;
  RemappingFinding remapping;

  /// Whether it is the structure of a unit of the kernel's.
  bool has_unit(std::size_t structure) const;
};

/// Never fails: what cannot be read says so in its place.
IommuFirmware read_iommu_firmware(const Tree& tree, const std::vector<IommuUnit>& units, const IommuState& state,
                                  FirmwareLog log);

}  // namespace devbindd::sysfs
