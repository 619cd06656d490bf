// SPDX-License-Identifier: Apache-2.0
// Which processes have a VFIO device or its group open. Reads the descriptors of all processes in /proc, which can take
// long on a large host: worker processes only. Without CAP_SYS_PTRACE the descriptors of other users stay hidden.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::vfio {

struct Holder {
  std::int32_t pid = 0;
  std::string command;  ///< /proc/PID/comm
  std::string path;     ///< the node, or "anon_inode:[vfio-device]"
  /// Whether the descriptor surely belongs to the device asked for. An anonymous VFIO device descriptor names its
  /// device only from kernel 6.18 on; before that it may belong to another VFIO device.
  bool certain = true;

  bool operator==(const Holder&) const = default;
};

struct HolderQuery {
  sysfs::PciAddress address;
  std::optional<unsigned> group;           ///< /dev/vfio/N and /dev/vfio/noiommu-N
  std::optional<std::string> vfio_device;  ///< /dev/vfio/devices/vfioN
  /// The device's enable count is above 0. Only then are descriptors and mappings that name no device worth a look: an
  /// idle device is not held by whoever has some other VFIO device open.
  bool device_open = false;

  bool operator==(const HolderQuery&) const = default;
};

/// One entry per process and kind of descriptor, by pid. Processes that vanish while they are read are left out.
/// Errors: Kernel, when /proc itself cannot be listed. Source: proc(5); drivers/vfio/vfio_main.c.
sysfs::Result<std::vector<Holder>> find_holders(const sysfs::Tree& tree, const HolderQuery& query);
/// Of several devices, in their order, by one look through all processes.
sysfs::Result<std::vector<std::vector<Holder>>> find_holders(const sysfs::Tree& tree,
                                                             const std::vector<HolderQuery>& queries);

}  // namespace devbindd::vfio
