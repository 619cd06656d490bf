// SPDX-License-Identifier: Apache-2.0
// What the host does with the USB devices below a USB host controller. Disks and addresses of network interfaces are
// told by block_use.hpp and network_use.hpp; processes with a device node open by open_nodes.hpp.
#pragma once

#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// Whether it is a USB device (no interface of one) that is no hub. A controller's root hub is a hub.
bool is_usb_function(const Tree& tree, const Descendant& descendant);

/// A UsbInUse for each HID interface (keyboard, mouse, ...) that a driver has, and for each network interface, with the
/// product's name and what it is as subject: "Basic Keyboard (keyboard)". A hub alone is no use.
/// Source: drivers/usb/core/sysfs.c; USB class codes 03 (HID) and 09 (hub).
std::vector<Use> usb_uses(const Tree& tree, const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
