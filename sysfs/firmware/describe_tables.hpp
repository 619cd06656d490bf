// SPDX-License-Identifier: Apache-2.0
// The parts of describe(): one for each table.
#pragma once

#include "sysfs/firmware/firmware_structure.hpp"

namespace devbindd::sysfs {

void add_dmar(const Dmar& dmar, FirmwareDescription& description);
void add_ivrs(const Ivrs& ivrs, FirmwareDescription& description);
void add_iort(const Iort& iort, FirmwareDescription& description);
void add_viot(const Viot& viot, FirmwareDescription& description);
void add_device_tree(const DeviceTree& tree, FirmwareDescription& description);

}  // namespace devbindd::sysfs
