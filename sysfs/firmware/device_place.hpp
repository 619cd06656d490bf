// SPDX-License-Identifier: Apache-2.0
// Where a PCI function hangs: the functions on the way to it from its host bridge. Firmware names devices by this way,
// since buses have no number before somebody gives them one.
#pragma once

#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// Ends with the function itself: {0000:00:1c.0, 0000:03:00.0}.
using DevicePlace = std::vector<PciAddress>;

/// "/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0". Components that are no addresses are left out.
DevicePlace place_of(std::string_view sysfs_path);

/// Of all PCI functions of the host, by address. Empty where they cannot be listed.
std::vector<DevicePlace> list_places(const Tree& tree);

/// A device ID as IOMMUs have it: the bus in the upper byte, device and function in the lower one.
PciAddress address_of_id(unsigned segment, unsigned id);
unsigned id_of(const PciAddress& address);

}  // namespace devbindd::sysfs
