// SPDX-License-Identifier: Apache-2.0
// Which processes use given device nodes, or the memory of given PCI functions. Looks through all processes, which can
// take long on a large host: worker processes only. Not here: which nodes belong to a device (function_nodes.hpp,
// block_use.hpp).
#pragma once

#include <string>
#include <vector>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// A device node, and what it means when somebody has it open.
struct OwnedNode {
  UseKind kind = UseKind::BlockOpen;
  std::vector<std::string> path = {};  ///< as in Use
  DeviceNumber number = {};
  bool block = false;     ///< a block device, else a character device
  std::string node = {};  ///< "/dev/nvme0n1"

  bool operator==(const OwnedNode&) const = default;
};

/// Physical addresses, both ends included.
struct MemoryRange {
  std::uint64_t start = 0;
  std::uint64_t last = 0;

  bool operator==(const MemoryRange&) const = default;
};

/// The memory of a PCI function: a process needs no node to map it.
struct OwnedMemory {
  std::vector<std::string> path = {};  ///< as in Use
  PciAddress address = {};
  std::vector<MemoryRange> ranges = {};  ///< its BARs that are memory

  bool operator==(const OwnedMemory&) const = default;
};

struct OpenNodes {
  std::vector<Use> uses = {};  ///< one for each node, in their order, with the node as subject; often without processes
  std::vector<Use> memories = {};  ///< a Mapped one for each memory, likewise
  std::size_t hidden = 0;          ///< processes of which not everything may be seen
  std::size_t unread = 0;          ///< processes that were not looked at, since there are too many descriptors
};

/// Which other processes have the nodes open or mapped, and which have the memories mapped or their resource files
/// open. A node counts by the number behind it, whatever its name is: a node in a container, one that was removed.
/// Memory counts by resourceN in sysfs, by /proc/bus/pci and by the physical addresses of /dev/mem. Errors: Kernel,
/// when /proc itself cannot be listed. Source: process_files.hpp; Documentation/admin-guide/devices.txt (1:1 is
/// /dev/mem).
Result<OpenNodes> open_uses(const Tree& tree, const std::vector<OwnedNode>& nodes,
                            const std::vector<OwnedMemory>& memories = {});

}  // namespace devbindd::sysfs
