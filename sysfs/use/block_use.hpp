// SPDX-License-Identifier: Apache-2.0
// What the host does with the disks of one PCI function, followed upward through partitions, md, dm, loop devices and
// NVMe multipath, and to the kernel's own users. Not here: which processes have the nodes open (open_nodes.hpp takes
// the list made here).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/mounts.hpp"
#include "sysfs/use/open_nodes.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// What a loop device stands on, however its path reads from here.
struct LoopBacking {
  std::optional<DeviceNumber> node = {};         ///< the block device; nullopt for a file
  std::optional<DeviceNumber> file_system = {};  ///< where a file lies
};

/// The questions about a block device that need its node opened (the real answers: block_probe.hpp).
struct BlockSeams {
  /// Whether "/dev/<disk>" can be claimed exclusively: 0, or the errno. EBUSY: somebody in the kernel has claimed it.
  std::function<int(const std::string& node)> open_exclusive = {};
  /// What superblock or partition table begins the device: "ext4", "LVM2_member", "gpt"; nullopt when it looks blank.
  std::function<std::optional<std::string>(const std::string& node)> signature = {};
  /// What "/dev/<loop device>" stands on; nullopt where it does not tell.
  std::function<std::optional<LoopBacking>(const std::string& node)> loop_backing = {};
};

/// The subject of a Signature for a disk whose node may not be opened: nobody can say whether it is claimed or blank.
inline constexpr std::string_view unknown_content = "unknown";

struct BlockUse {
  std::vector<Use> uses;
  std::vector<OwnedNode> nodes;  ///< every block device met on the way, for the scan of open descriptors
};

/// The uses of all disks below a function, given its descendants. Mounted and Swap at the device that carries them;
/// Served for what the kernel serves to others (block_servers.hpp); Holder for one that leads to neither, for an
/// exclusive claim that nothing explains (ZFS, an external journal), and for an NVMe multipath head that stays
/// reachable through another function; Signature for a disk or partition that is not in use and yet not blank.
BlockUse block_uses(const Tree& tree, const std::vector<Descendant>& descendants, const MountTable& table,
                    const BlockSeams& seams);

}  // namespace devbindd::sysfs
