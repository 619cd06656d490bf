// SPDX-License-Identifier: Apache-2.0
// Every device that the kernel has made below a PCI function, whatever its class or bus: the ground for all questions
// about use. Not here: what a person wants listed of them (children.hpp).
#pragma once

#include <string>
#include <vector>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct Descendant {
  std::string subsystem = {};  ///< "block", "net", "usb", "virtio"
  bool on_bus = false;         ///< the subsystem is a bus, not a class
  std::string name = {};       ///< "nvme0n1p1"
  std::string path = {};       ///< for Tree: "sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"

  bool operator==(const Descendant&) const = default;
};

/// The devices below `device_path` ("sys/devices/pci0000:00/..."), parents before children. Links are not followed.
/// PCI functions behind a bridge belong to themselves and are not entered. PCI functions below any other function were
/// made by its driver and go with it (Intel VMD): they are entered with all that is below them, bridges included.
/// Bounded in depth and number; a directory that vanishes meanwhile is left out.
/// Source: the `subsystem` link of each directory, Documentation/admin-guide/sysfs-rules.rst; the class of the function
/// (PCI Code and ID Assignment Specification); drivers/pci/controller/vmd.c.
std::vector<Descendant> descendants_of(const Tree& tree, const std::string& device_path);

/// Whether it is a PCI function that the driver of another function has made.
bool is_pci_function(const Descendant& descendant);

/// The `dev` attribute of a device; nullopt when it has no node.
std::optional<DeviceNumber> node_number(const Tree& tree, const std::string& device_path);

}  // namespace devbindd::sysfs
