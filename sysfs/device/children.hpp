// SPDX-License-Identifier: Apache-2.0
// What the kernel has made of a PCI device: the class devices below it (network interfaces, disks, GPUs, ...).
// Not here: whether they are in use.
#pragma once

#include <string>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct Child {
  std::string kind;  ///< its class: "net", "block", "nvme", "drm", "infiniband", ...
  std::string name;  ///< "eth0", "nvme0n1", "card0"
  std::string path;  ///< below the device's directory: "nvme/nvme0/nvme0n1"

  bool operator==(const Child&) const = default;
};

/// The class devices below a device's directory, in the order of their paths; other PCI devices below a bridge are not
/// entered. At most 256. A directory that vanishes meanwhile is left out. Source: the `subsystem` link of each
/// directory, Documentation/ABI/testing/sysfs-class.
std::vector<Child> children_of(const Tree& tree, const std::string& device_path);

}  // namespace devbindd::sysfs
