// SPDX-License-Identifier: Apache-2.0
// What the kernel has made of a PCI device: the class devices below it (network interfaces, disks, GPUs, ...).
// Not here: whether they are in use.
#pragma once

#include <functional>
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

/// The class devices of the whole host whose names `is_wanted`: their directories ("/sys/devices/pci0000:00/..."),
/// those of other buses than PCI too. No device is entered, so that the cost is that of the names. At most 65,536 of a
/// kind. Source: /sys/class/KIND and /sys/bus/KIND/devices, Documentation/admin-guide/sysfs-rules.rst.
std::vector<std::string> directories_of_named(const Tree& tree,
                                              const std::function<bool(const std::string& name)>& is_wanted);

}  // namespace devbindd::sysfs
