// SPDX-License-Identifier: Apache-2.0
// All that the firmware has told of this host's IOMMUs, read once: no kernel changes these tables before the next boot.
// Root only: without the right, each table that is there says so. Not here: what the tables have in common
// (firmware_structure.hpp).
#pragma once

#include "sysfs/firmware/device_tree_iommu.hpp"
#include "sysfs/firmware/dmar.hpp"
#include "sysfs/firmware/iort.hpp"
#include "sysfs/firmware/ivrs.hpp"
#include "sysfs/firmware/viot.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct FirmwareTables {
  std::optional<Result<Dmar>> dmar;  ///< nullopt: the host has no such table
  std::optional<Result<Ivrs>> ivrs;
  std::optional<Result<Iort>> iort;
  std::optional<Result<Viot>> viot;
  std::optional<DeviceTree> device_tree;  ///< nullopt: the host has none

  /// Every table that is there could be read.
  bool complete() const;
};

/// Never fails: the error of a table is in its place. Source: /sys/firmware/acpi/tables (mode 0400),
/// drivers/acpi/sysfs.c.
FirmwareTables read_iommu_tables(const Tree& tree);
/// The same without the device tree, which has thousands of files: four reads.
FirmwareTables read_acpi_iommu_tables(const Tree& tree);

}  // namespace devbindd::sysfs
