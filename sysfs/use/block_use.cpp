// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/block_use.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/use/block_devices.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_block_levels = 16;
constexpr std::size_t most_uses = 1024;
constexpr std::size_t most_mounts = 8;  // of one device: containers see one file system at many places

using Path = std::vector<std::string>;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// A path of another mount namespace, of a service's own /tmp or of a node that is gone says nothing; the loop device
// does. One that stands on a file of a remote file system is not asked, since the answer may never come.
std::vector<LoopDevice> resolved(const MountTable& table, const BlockSeams& seams) {
  auto loops = table.loops;
  for (auto& loop : loops) {
    const bool remote = std::ranges::any_of(
        table.mounts, [&loop](const Mount& mount) { return loop.file_system == mount.number && is_remote(mount); });
    if (!seams.loop_backing || loop.node || remote) continue;
    const auto backing = seams.loop_backing(block_node_path(loop.name));
    if (!backing) continue;
    loop.node = backing->node;
    if (backing->file_system && backing->file_system->major != 0) loop.file_system = backing->file_system;
  }
  return loops;
}

struct Stack {
  const Tree& tree;
  const MountTable& table;
  const BlockSeams& seams;
  std::vector<LoopDevice> loops;
  BlockUse found = {};
  std::vector<std::string> below = {};  ///< the devices on the way to the one that is looked at

  void add(Use use) {
    if (found.uses.size() < most_uses && std::ranges::find(found.uses, use) == found.uses.end())
      found.uses.push_back(std::move(use));
  }

  // The made-up numbers that stand for this device in mountinfo, besides its own.
  std::set<DeviceNumber> file_systems(const std::string& name, const std::optional<DeviceNumber>& number) const {
    std::set<DeviceNumber> numbers;
    if (number) numbers.insert(*number);
    std::set<DeviceNumber> sources = numbers;
    for (const auto& group : table.btrfs) {
      if (!contains(group.members, name)) continue;
      for (const auto& member : group.members) {
        if (const auto other = block_number(tree, member)) sources.insert(*other);
      }
    }
    for (const auto& mount : table.mounts) {
      if (mount.number.major == 0 && mount.source_node && sources.contains(*mount.source_node))
        numbers.insert(mount.number);
    }
    return numbers;
  }

  void add_mounts(const std::set<DeviceNumber>& numbers, const Path& path) {
    std::vector<const Mount*> mounts;
    for (const auto& mount : table.mounts) {
      if (numbers.contains(mount.number)) mounts.push_back(&mount);
    }
    // The host's own mounts of the whole file system first; bind mounts and containers only where there is no such.
    const auto rank = [](const Mount* mount) { return (mount->pid != 0 ? 2 : 0) + (mount->root != "/" ? 1 : 0); };
    std::ranges::stable_sort(mounts, {}, rank);
    for (std::size_t at = 0; at < std::min(mounts.size(), most_mounts); ++at) {
      const auto& mount = *mounts[at];
      if (rank(&mount) != rank(mounts.front())) break;
      Use use{.kind = UseKind::Mounted, .path = path, .subject = mount.point};
      if (mount.pid != 0) {
        const auto command = tree.read("proc/" + std::to_string(mount.pid) + "/comm").value_or("?");
        use.processes.push_back({mount.pid, command, mount.point});
      }
      add(std::move(use));
    }
  }

  void add_btrfs(const std::string& name, const Path& path) {
    for (const auto& group : table.btrfs) {
      if (contains(group.members, name))
        add({.kind = UseKind::Mounted, .path = path, .subject = "btrfs " + group.uuid});
    }
  }

  void add_swaps(const std::optional<DeviceNumber>& number, const std::set<DeviceNumber>& numbers, const Path& path) {
    for (const auto& swap : table.swaps) {
      const bool file = !swap.node && swap.file_system && numbers.contains(*swap.file_system);
      if (file || (swap.node && swap.node == number)) add({.kind = UseKind::Swap, .path = path, .subject = swap.name});
    }
  }

  void visit_loops(const std::optional<DeviceNumber>& number, const std::set<DeviceNumber>& numbers, const Path& path) {
    for (const auto& loop : loops) {
      const auto label = loop.name + " (" + loop.backing + ")";
      if (loop.node && loop.node == number) visit_holder(loop.name, label, path);
      // What lies on a file system that is mounted needs no Holder besides.
      const bool file = !loop.node && loop.file_system && numbers.contains(*loop.file_system);
      if (file && !contains(below, loop.name)) visit_upper(loop.name, label, path);
    }
  }

  void visit_servers(const std::optional<DeviceNumber>& number, const Path& path) {
    for (const auto& server : table.served.servers) {
      if (!server.block || !number || server.node != number) continue;
      if (server.device) visit_holder(*server.device, *server.device, path);
      if (!server.device) add({.kind = UseKind::Served, .path = path, .subject = server.what});
    }
  }

  void visit_upper(const std::string& name, const std::string& label, const Path& path) {
    auto longer = path;
    longer.push_back(label);
    visit(name, longer);
    for (const auto& partition : partitions_of(tree, name)) {
      auto longest = longer;
      longest.push_back(partition);
      visit(partition, longest);
    }
  }

  void visit_holder(const std::string& name, const std::string& label, const Path& path) {
    if (contains(below, name)) return;
    const auto before = found.uses.size();
    visit_upper(name, label, path);
    if (found.uses.size() != before) return;
    auto longer = path;
    longer.push_back(label);
    add({.kind = UseKind::Holder, .path = longer, .subject = label});
  }

  void visit(const std::string& name, const Path& path) {
    if (path.size() > most_block_levels || found.uses.size() >= most_uses) return;
    below.push_back(name);
    const auto number = block_number(tree, name);
    if (number) found.nodes.push_back({UseKind::BlockOpen, path, *number, true, block_node_path(name)});
    const auto numbers = file_systems(name, number);
    const auto before = found.uses.size();
    add_mounts(numbers, path);
    if (found.uses.size() == before) add_btrfs(name, path);
    add_swaps(number, numbers, path);
    visit_loops(number, numbers, path);
    visit_servers(number, path);
    for (const auto& holder : holders_of(tree, name)) visit_holder(holder, label_of(tree, holder), path);
    below.pop_back();
  }

  void add_signature(const std::string& name, const Path& path) {
    if (auto type = seams.signature(block_node_path(name)))
      add({.kind = UseKind::Signature, .path = path, .subject = std::move(*type)});
  }

  // A partition that is claimed makes the whole disk busy (block/bdev.c, bd_may_claim).
  void add_claim(const Disk& disk) {
    const int error = seams.open_exclusive(block_node_path(disk.name));
    if (error == EBUSY) add({.kind = UseKind::Holder, .path = disk.path, .subject = "exclusive opener"});
    if (error != 0 && error != EBUSY && error != ENOMEDIUM)
      add({.kind = UseKind::Signature, .path = disk.path, .subject = std::string(unknown_content)});
  }

  void visit_disk(const Disk& disk) {
    const auto before = found.uses.size();
    visit(disk.name, disk.path);
    std::vector<std::string> unused;
    for (const auto& partition : partitions_of(tree, disk.name)) {
      auto path = disk.path;
      path.push_back(partition);
      const auto so_far = found.uses.size();
      visit(partition, path);
      if (found.uses.size() == so_far) unused.push_back(partition);
    }
    if (found.uses.size() == before) add_claim(disk);
    for (const auto& partition : unused) {
      auto path = disk.path;
      path.push_back(partition);
      add_signature(partition, path);
    }
    if (found.uses.size() == before) add_signature(disk.name, disk.path);
  }
};

}  // namespace

BlockUse block_uses(const Tree& tree, const std::vector<Descendant>& descendants, const MountTable& table,
                    const BlockSeams& seams) {
  Stack stack{tree, table, seams, resolved(table, seams)};
  for (const auto& disk : disks_of(tree, descendants)) {
    if (disk.other_paths.empty()) {
      stack.visit_disk(disk);
      continue;
    }
    const auto subject = "one path to " + disk.name + ", which stays reachable through " + joined(disk.other_paths);
    stack.add({.kind = UseKind::Holder, .path = disk.path, .subject = subject});
  }
  return std::move(stack.found);
}

}  // namespace devbindd::sysfs
