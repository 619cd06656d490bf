// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/open_nodes.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "sysfs/use/process_files.hpp"

namespace devbindd::sysfs {
namespace {

constexpr DeviceNumber physical_memory{1, 1};

// One node may stand for several uses (a disk that is reached in two ways).
using Key = std::tuple<bool, DeviceNumber>;

bool overlaps(const OwnedMemory& memory, const ProcessFile& file) {
  return std::ranges::any_of(memory.ranges, [&file](const MemoryRange& range) {
    return file.length > 0 && file.offset <= range.last &&
           range.start - std::min(range.start, file.offset) < file.length;
  });
}

struct Scan {
  const Tree& tree;
  const std::vector<OwnedMemory>& memories;
  std::multimap<Key, std::size_t> wanted;
  OpenNodes found;

  void add(Use& use, const ProcessFile& file) {
    auto& processes = use.processes;
    if (!processes.empty() && processes.back().pid == file.pid) return;
    if (is_only_a_place(tree, file)) return;
    processes.push_back({file.pid, tree.read(file.process + "/comm").value_or("?"), file.path});
  }

  // "nvme0n1", and "/dev/nvme0n1" since 6.8.
  void look_at_registered(const ProcessFile& file) {
    for (const auto& [key, at] : wanted) {
      const std::string_view node = found.uses[at].subject;
      if (file.path == node || file.path == node.substr(node.rfind('/') + 1)) add(found.uses[at], file);
    }
  }

  void look_at(const ProcessFile& file) {
    if (file.registered) return look_at_registered(file);
    const bool physical = file.mapped && !file.block && file.number == physical_memory;
    for (std::size_t at = 0; at < memories.size() && (physical || file.function); ++at) {
      if (physical ? overlaps(memories[at], file) : file.function == memories[at].address)
        add(found.memories[at], file);
    }
    if (!file.number) return;
    const auto [first, last] = wanted.equal_range({file.block, *file.number});
    for (auto node = first; node != last; ++node) add(found.uses[node->second], file);
  }
};

}  // namespace

Result<OpenNodes> open_uses(const Tree& tree, const std::vector<OwnedNode>& nodes,
                            const std::vector<OwnedMemory>& memories) {
  if (nodes.empty() && memories.empty()) return OpenNodes{};
  Scan scan{tree, memories, {}, {}};
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    scan.wanted.emplace(Key{nodes[at].block, nodes[at].number}, at);
    scan.found.uses.push_back({nodes[at].kind, nodes[at].path, nodes[at].node, {}});
  }
  for (const auto& memory : memories)
    scan.found.memories.push_back({UseKind::Mapped, memory.path, to_string(memory.address), {}});
  const auto seen = each_process_file(tree, [&scan](const ProcessFile& file) { scan.look_at(file); });
  if (!seen) return std::unexpected(seen.error());
  scan.found.hidden = seen->hidden;
  scan.found.unread = seen->unread;
  for (auto& use : scan.found.uses) std::ranges::stable_sort(use.processes, {}, &Process::pid);
  for (auto& use : scan.found.memories) std::ranges::stable_sort(use.processes, {}, &Process::pid);
  return std::move(scan.found);
}

}  // namespace devbindd::sysfs
