// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/mounts.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_mountinfo_bytes = 16U << 20U;
constexpr std::string_view deleted = " (deleted)";

// The number of the block device at "/dev/..."; other paths are not looked at, since they may be on a dead NFS server.
std::optional<DeviceNumber> block_node(const Tree& tree, const std::string& path) {
  if (!path.starts_with("/dev/")) return std::nullopt;
  const auto status = tree.status(path.substr(1));
  if (!status || !*status || !(*status)->block_device) return std::nullopt;
  return DeviceNumber{(*status)->major, (*status)->minor};
}

bool lies_below(const std::string& path, const std::string& directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

// The file system of a path of the host: the longest mount point wins, and of equal ones the last, which hides the
// rest.
std::optional<DeviceNumber> file_system_of(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* best = nullptr;
  for (const auto& mount : mounts) {
    if (mount.pid != 0 || !lies_below(path, mount.point)) continue;
    if (best == nullptr || mount.point.size() >= best->point.size()) best = &mount;
  }
  return best != nullptr ? std::optional(best->number) : std::nullopt;
}

struct MountReader {
  const Tree& tree;
  MountTable table;
  std::set<std::string> seen = {};                                          ///< mount namespaces
  std::set<std::tuple<DeviceNumber, std::string, std::string>> known = {};  ///< number, root and point of a mount

  void add_namespace(const std::string& process, std::int32_t pid) {
    const auto text = tree.read(process + "/mountinfo", most_mountinfo_bytes);
    if (!text) return;
    for (auto& mount : parse_mountinfo(*text)) {
      mount.pid = pid;
      // A service's namespace repeats the host's mounts; only what is not there is news.
      const bool repeated = !known.emplace(mount.number, mount.root, mount.point).second;
      if (pid != 0 && repeated) continue;
      mount.source_node = block_node(tree, mount.source);
      table.mounts.push_back(std::move(mount));
    }
  }

  std::string host() const { return tree.read("proc/1/mountinfo", 1) ? "proc/1" : "proc/self"; }

  void add_mounts() {
    const auto host = this->host();
    add_namespace(host, 0);
    if (const auto link = tree.link(host + "/ns/mnt"); link && *link) seen.insert(**link);
    const auto names = tree.list("proc");
    if (!names) return;
    for (const auto& name : *names) {
      const auto pid = number_from<std::int32_t>(name);
      if (!pid) continue;
      const auto link = tree.link("proc/" + name + "/ns/mnt");
      if (link && *link && seen.insert(**link).second) add_namespace("proc/" + name, *pid);
    }
  }

  void add_swaps() {
    const auto text = tree.read("proc/swaps", most_mountinfo_bytes);
    if (!text) return;
    for (const auto line : lines_of(*text)) {
      const auto words = words_of(line);
      if (words.size() < 2 || !words[0].starts_with('/')) continue;  // the heading
      const auto name = unescaped(words[0]);
      table.swaps.push_back({name, block_node(tree, name), file_system_of(table.mounts, name)});
    }
  }

  void add_loops() {
    const auto names = tree.list("sys/block");
    if (!names) return;
    for (const auto& name : *names) {
      if (!name.starts_with("loop")) continue;
      const auto backing = tree.read("sys/block/" + name + "/loop/backing_file");
      if (!backing || backing->empty()) continue;
      auto path = *backing;
      if (path.ends_with(deleted)) path.resize(path.size() - deleted.size());
      table.loops.push_back({name, path, block_node(tree, path), file_system_of(table.mounts, path)});
    }
  }

  void add_btrfs() {
    const auto names = tree.list("sys/fs/btrfs");
    if (!names) return;
    for (const auto& name : *names) {
      const auto members = tree.list("sys/fs/btrfs/" + name + "/devices");
      if (members && !members->empty()) table.btrfs.push_back({name, *members});
    }
  }
};

}  // namespace

bool is_remote(const Mount& mount) {
  constexpr std::array<std::string_view, 12> types = {"nfs", "nfs4", "cifs", "smb3",    "9p",       "ceph",
                                                      "afs", "coda", "fuse", "fuseblk", "virtiofs", "lustre"};
  return mount.type.starts_with("fuse.") || std::ranges::find(types, mount.type) != types.end();
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    const auto separator = std::ranges::find(words, "-");
    if (words.size() < 6 || words.end() - separator < 3) continue;
    const auto number = device_number_from(words[2]);
    if (!number) continue;
    mounts.push_back({.number = *number,
                      .root = unescaped(words[3]),
                      .point = unescaped(words[4]),
                      .type = std::string(*(separator + 1)),
                      .source = unescaped(*(separator + 2))});
  }
  return mounts;
}

MountTable read_mount_table(const Tree& tree) {
  MountReader reader{tree, {}};
  reader.add_mounts();
  reader.add_swaps();
  reader.add_loops();
  reader.add_btrfs();
  reader.table.served = read_block_servers(tree);
  return std::move(reader.table);
}

std::map<DeviceNumber, unsigned> mounted_or_swapped(const Tree& tree) {
  MountReader reader{tree, {}};
  reader.add_namespace(reader.host(), 0);
  reader.add_swaps();
  std::map<DeviceNumber, unsigned> carried;
  const auto add = [&carried](const std::optional<DeviceNumber>& number) {
    if (number && number->major != 0) ++carried[*number];
  };
  for (const auto& mount : reader.table.mounts) add(mount.number.major != 0 ? mount.number : mount.source_node);
  for (const auto& swap : reader.table.swaps) add(swap.node ? swap.node : swap.file_system);
  return carried;
}

}  // namespace devbindd::sysfs
