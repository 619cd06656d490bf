#include "sysfs/open_nodes.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace devbindd::sysfs {
namespace {

// One node may stand for several uses (a disk that is reached in two ways).
using Key = std::tuple<bool, DeviceNumber>;

struct Scan {
  const Tree& tree;
  std::multimap<Key, std::size_t> wanted;
  std::vector<Use> uses;

  void add(std::size_t at, std::int32_t pid, const std::string& process, const std::string& path) {
    auto& processes = uses[at].processes;
    if (!processes.empty() && processes.back().pid == pid) return;
    processes.push_back({pid, tree.read(process + "/comm").value_or("?"), path});
  }

  void look_at(std::int32_t pid, const std::string& process) {
    const auto descriptors = tree.list(process + "/fd");
    if (!descriptors) return;  // gone, or hidden from us
    for (const auto& descriptor : *descriptors) {
      const auto path = process + "/fd/" + descriptor;
      const auto target = tree.link(path);
      // Sockets, pipes and files in other places are the mass; a look at each could end on a dead NFS server.
      if (!target || !*target || (*target)->find("/dev/") == std::string::npos) continue;
      const auto status = tree.status(path);
      if (!status || !*status) continue;
      if (!(*status)->block_device && !(*status)->character_device) continue;
      const auto [first, last] =
          wanted.equal_range({(*status)->block_device, DeviceNumber{(*status)->major, (*status)->minor}});
      for (auto found = first; found != last; ++found) add(found->second, pid, process, **target);
    }
  }
};

}  // namespace

Result<std::vector<Use>> open_uses(const Tree& tree, const std::vector<OwnedNode>& nodes) {
  if (nodes.empty()) return std::vector<Use>{};
  const auto names = tree.list("proc");
  if (!names) return std::unexpected(names.error());
  const auto self = tree.link("proc/self").value_or(std::nullopt).value_or("");
  Scan scan{tree, {}, {}};
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    scan.wanted.emplace(Key{nodes[at].block, nodes[at].number}, at);
    scan.uses.push_back({nodes[at].kind, nodes[at].path, nodes[at].node, {}});
  }
  for (const auto& name : *names) {
    const auto pid = number_from<std::int32_t>(name);
    if (pid && name != self) scan.look_at(*pid, "proc/" + name);
  }
  for (auto& use : scan.uses) std::ranges::stable_sort(use.processes, {}, &Process::pid);
  std::erase_if(scan.uses, [](const Use& use) { return use.processes.empty(); });
  return std::move(scan.uses);
}

}  // namespace devbindd::sysfs
