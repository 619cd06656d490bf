// SPDX-License-Identifier: Apache-2.0
// The disks of a PCI function and what is built from them: partitions, holders (md, dm, bcache), the head of an NVMe
// multipath. By kernel name, through /sys/class/block. Not here: whether they are in use (block_use.hpp).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::sysfs {

struct Disk {
  std::string name = {};               ///< whose partitions and holders count: "nvme0n1"
  std::vector<std::string> path = {};  ///< {"nvme0n1"}; {"nvme0c1n1", "nvme0n1"} through a path of a multipath head
  /// Other controllers through which the head stays reachable when this function goes: {"nvme1"}.
  std::vector<std::string> other_paths = {};
};

/// The whole disks among the descendants of a function. Source: drivers/nvme/host/multipath.c (names of hidden paths:
/// "nvme%dc%dn%d", of heads: "nvme%dn%d"); Documentation/ABI/stable/sysfs-block.
std::vector<Disk> disks_of(const Tree& tree, const std::vector<Descendant>& descendants);

std::vector<std::string> partitions_of(const Tree& tree, const std::string& disk);
/// The devices that have claimed this one. Source: block/holder.c.
std::vector<std::string> holders_of(const Tree& tree, const std::string& device);
/// "dm-0 (vg-root)", "md0".
std::string label_of(const Tree& tree, const std::string& device);
std::optional<DeviceNumber> block_number(const Tree& tree, const std::string& device);
/// "/dev/nvme0n1"; the kernel writes '!' for a '/' in the names of sysfs ("cciss!c0d0").
std::string block_node_path(const std::string& device);

/// The PCI functions that a block device stands on, itself or by what it is built from (md, dm, NVMe multipath).
/// Bounded in number.
std::set<PciAddress> functions_below(const Tree& tree, DeviceNumber number);

}  // namespace devbindd::sysfs
