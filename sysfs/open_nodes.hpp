// Which processes have given device nodes open. Reads the descriptors of all processes in /proc, which can take long on
// a large host: worker processes only. Not here: which nodes belong to a device (function_nodes.hpp, block_use.hpp).
#pragma once

#include <string>
#include <vector>

#include "sysfs/fields.hpp"
#include "sysfs/tree.hpp"
#include "sysfs/use.hpp"

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

/// One Use for each node that another process has open, in the order of `nodes`, with the node as its subject. A
/// descriptor counts by the device number behind it, whatever its name is: a node in a container, one that was removed.
/// The calling process is left out, and so is one that vanishes meanwhile. Without CAP_SYS_PTRACE the descriptors of
/// other users stay hidden. Errors: Kernel, when /proc itself cannot be listed. Source: proc(5).
Result<std::vector<Use>> open_uses(const Tree& tree, const std::vector<OwnedNode>& nodes);

}  // namespace devbindd::sysfs
