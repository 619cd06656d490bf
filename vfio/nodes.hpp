// SPDX-License-Identifier: Apache-2.0
// The device nodes of VFIO: which exist, who owns them, and which node belongs to which device.
// The node is what counts: the sysfs directory vfio-dev/vfioN is there on kernels that have no device cdev at all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/device/device.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::vfio {

struct Node {
  std::string path;  ///< "/dev/vfio/24"
  sysfs::NodeStatus status;
};

/// The nodes through which a VFIO-bound device is reached.
struct DeviceNodes {
  std::optional<Node> group;  ///< /dev/vfio/N, or /dev/vfio/noiommu-N
  std::optional<Node> cdev;   ///< /dev/vfio/devices/vfioN (kernel 6.6 with CONFIG_VFIO_DEVICE_CDEV)
};

/// Every group node below /dev/vfio and every cdev below /dev/vfio/devices that exists now, the container first.
/// Errors: Kernel. No /dev/vfio is an empty list.
sysfs::Result<std::vector<Node>> list_nodes(const sysfs::Tree& tree);

/// The nodes of one device, by its group's number and its vfio-dev name. Errors: Kernel.
sysfs::Result<DeviceNodes> nodes_of(const sysfs::Tree& tree, const sysfs::Device& device);

}  // namespace devbindd::vfio
