// SPDX-License-Identifier: Apache-2.0
// What is mounted, swapped to, looped and served on this host, in every mount namespace.
// Not here: which device it concerns (block_use.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/block_servers.hpp"

namespace devbindd::sysfs {

struct Mount {
  DeviceNumber number = {};  ///< of the block device; major 0 is made up (btrfs, ZFS, NFS, tmpfs)
  std::string root = {};     ///< which part of the file system: "/" for all of it
  std::string point = {};    ///< where, as processes of that namespace see it
  std::string type = {};
  std::string source = {};                       ///< "/dev/nvme0n1p1"
  std::int32_t pid = 0;                          ///< a process of the mount namespace; 0 for the host's
  std::optional<DeviceNumber> source_node = {};  ///< the block device that `source` names, where it names one

  bool operator==(const Mount&) const = default;
};

/// Whether the file system asks somebody else, who may be gone: a server, a hypervisor, a process (FUSE). A look at a
/// file there may never end.
bool is_remote(const Mount& mount);

struct SwapArea {
  std::string name = {};                      ///< "/dev/sda2" or "/swapfile"
  std::optional<DeviceNumber> node{};         ///< the block device; nullopt for a file
  std::optional<DeviceNumber> file_system{};  ///< where a file lies
};

struct LoopDevice {
  std::string name = {};                      ///< "loop0"
  std::string backing = {};                   ///< "/var/lib/images/disk.img"
  std::optional<DeviceNumber> node{};         ///< the block device that backs it; nullopt for a file
  std::optional<DeviceNumber> file_system{};  ///< where a file lies
};

/// One mounted btrfs: its member devices by kernel name. Its mounts show a made-up number.
struct BtrfsGroup {
  std::string uuid = {};
  std::vector<std::string> members = {};
};

struct MountTable {
  std::vector<Mount> mounts = {};  ///< the host's first
  std::vector<SwapArea> swaps = {};
  std::vector<LoopDevice> loops = {};
  std::vector<BtrfsGroup> btrfs = {};
  BlockServers served = {};
};

/// Parses /proc/PID/mountinfo; lines that are none are left out. Source: proc(5).
std::vector<Mount> parse_mountinfo(std::string_view text);

/// Reads everything. "The host's" mount namespace is that of pid 1, since a service has its own; that of this process
/// where pid 1's is hidden. Whatever cannot be read is left out.
/// Source: proc(5); drivers/block/loop.c (backing_file); fs/btrfs/sysfs.c (devices).
MountTable read_mount_table(const Tree& tree);

/// The block devices that the host's own mounts and swap areas are on, and how many of these each carries; other mount
/// namespaces are not looked at. Whatever cannot be read is left out.
std::map<DeviceNumber, unsigned> mounted_or_swapped(const Tree& tree);

}  // namespace devbindd::sysfs
