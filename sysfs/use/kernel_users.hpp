// SPDX-License-Identifier: Apache-2.0
// What the kernel itself does with a PCI function where neither a process, nor a holder, nor an address shows it.
// Not here: what serves disks (block_servers.hpp), and protocols on network interfaces (network_sessions.hpp).
#pragma once

#include <string>
#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/block_servers.hpp"
#include "sysfs/use/open_nodes.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// KernelUse where the kernel shows a user: an IOMMU or a TPM below the function; a USB device controller that a gadget
/// has; a USB device that another host has taken (usbip_status); ciphers of it that somebody has taken (/proc/crypto,
/// refcnt above 1); a fan that is controlled by hand (pwmN_enable 1); a watchdog that runs (state), whether or not a
/// process has it open; a terminal that speakup speaks through (/sys/accessibility/speakup), or at which the kernel's
/// debugger waits (kgdboc); a work queue with clients; memory that has become the host's (dax); a Bluetooth connection;
/// `servers` that have one of its character `nodes`. KernelMayUse, a warning, where it shows none and yet may have one,
/// by the device's kind and state: devices with a driver at an I2C or SPI bus of it, DMA channels that are taken
/// (in_use), memory error reporting (EDAC), thermal control, SMBus, a BMC, a security processor, a hot-plugged memory
/// device, sockets of AF_VSOCK. Source: drivers/crypto, crypto/proc.c; drivers/dma/dmaengine.c (in_use);
/// drivers/usb/gadget/udc/core.c (function); Documentation/hwmon/sysfs-interface.rst; for the warnings the names of the
/// drivers.
std::vector<Use> kernel_uses(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants,
                             const std::vector<OwnedNode>& nodes, const std::vector<BlockServer>& servers);

/// What devices of the function hand to others without a trace at their nodes, by their class, joined with "; "; "" for
/// none: contexts of RDMA, buffers of a display, lines of a GPIO chip, buffers of a sensor. Source:
/// drivers/infiniband/core; drivers/dma-buf/dma-buf.c; drivers/gpio/gpiolib-cdev.c and drivers/iio/industrialio-event.c
/// (anonymous descriptors, which stay when the node is closed).
std::string unseen_users(const std::vector<Descendant>& descendants);

/// A Child for each device that an administrator has had made of the function and that goes with it: mediated devices,
/// vDPA devices, subfunctions.
/// Source: Documentation/driver-api/vfio-mediated-device.rst; drivers/vdpa/vdpa.c; devlink-port.rst ("mlx5_core.sf.2").
std::vector<Use> child_uses(const Tree& tree, const std::vector<Descendant>& descendants);

/// Firmware, a warning, for what the firmware, ACPI or the kernel's memory management claims of the function's memory
/// (/proc/iomem, entries that overlap a BAR), and for an IOMMU group with memory that the firmware goes on using
/// ("direct" in reserved_regions: RMRR, IVMD); a KernelUse for memory of it that has become the system's.
/// `not_visible`, where it is not nullptr, gets the reason when the addresses are hidden.
std::vector<Use> firmware_uses(const Tree& tree, const std::string& device_path, std::string* not_visible);

}  // namespace devbindd::sysfs
