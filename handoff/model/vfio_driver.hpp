// SPDX-License-Identifier: Apache-2.0
// Which VFIO driver is the best for a device. Not here: whether it can be loaded (sysfs/kernel/kernel_module.hpp).
#pragma once

#include <string>

#include "sysfs/kernel/kernel_module.hpp"

namespace devbindd::handoff {

/// vfio-pci, which takes every device.
sysfs::DriverName default_vfio_driver();

/// The variant driver that was written for this device (mlx5_vfio_pci, ...), by the `vfio_pci:` aliases of modules;
/// vfio-pci when there is none. A variant registers its driver by its module's name. Source: kernel.md on variants;
/// Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst; include/linux/pci.h,
/// PCI_DRIVER_OVERRIDE_DEVICE_VFIO.
sysfs::DriverName best_vfio_driver(const sysfs::ModuleIndex& index, const std::string& modalias);

}  // namespace devbindd::handoff
