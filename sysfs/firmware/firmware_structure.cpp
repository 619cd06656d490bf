// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/firmware_structure.hpp"

#include "sysfs/firmware/describe_tables.hpp"

namespace devbindd::sysfs {

FirmwareDescription describe(const FirmwareTables& tables) {
  FirmwareDescription description;
  if (tables.dmar && *tables.dmar) add_dmar(**tables.dmar, description);
  if (tables.ivrs && *tables.ivrs) add_ivrs(**tables.ivrs, description);
  if (tables.iort && *tables.iort) add_iort(**tables.iort, description);
  if (tables.viot && *tables.viot) add_viot(**tables.viot, description);
  if (tables.device_tree) add_device_tree(*tables.device_tree, description);
  return description;
}

}  // namespace devbindd::sysfs
