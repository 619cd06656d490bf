// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/iommu_firmware.hpp"

#include <algorithm>

#include "sysfs/iommu/iommu_group.hpp"

namespace devbindd::sysfs {
namespace {

std::map<PciAddress, unsigned> groups_of_memory(const Tree& tree, const IommuFirmware& firmware) {
  std::map<PciAddress, unsigned> groups;
  for (const auto& memory : firmware.description.memory) {
    for (const auto& address : devices_of(memory.scopes, firmware.places)) {
      if (groups.contains(address)) continue;
      if (const auto number = group_number_of(tree, address)) groups.emplace(address, *number);
    }
  }
  return groups;
}

}  // namespace

bool IommuFirmware::has_unit(std::size_t structure) const {
  return std::ranges::find(of_units, std::optional(structure)) != of_units.end();
}

IommuFirmware read_iommu_firmware(const Tree& tree, const std::vector<IommuUnit>& units, const IommuState& state,
                                  FirmwareLog log) {
  IommuFirmware firmware;
  firmware.tables = read_iommu_tables(tree);
  firmware.description = describe(firmware.tables);
  firmware.of_units = structures_of(tree, units, firmware.description.structures);
  firmware.places = list_places(tree);
  firmware.groups = groups_of_memory(tree, firmware);
  firmware.remapping = remapping_mode(tree, state, units, firmware.tables, log);
  firmware.log = std::move(log);
  return firmware;
}

}  // namespace devbindd::sysfs
