// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/socket_owners.hpp"

#include <map>
#include <string_view>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/use/network_use.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_maps = 4U << 20U;
constexpr std::string_view fill_ring = "100000000";  // XDP_UMEM_PGOFF_FILL_RING, include/uapi/linux/if_xdp.h

struct OwnerScan {
  const Tree& tree;
  std::multimap<std::string, Use*> wanted = {};
  std::vector<Use*> unplaced = {};

  void add(Use& use, std::int32_t pid, const std::string& what) const {
    if (!use.processes.empty() && use.processes.back().pid == pid) return;
    use.processes.push_back({pid, tree.read("proc/" + std::to_string(pid) + "/comm").value_or("?"), what});
  }

  // Whoever has made an AF_XDP socket has mapped its rings.
  void look_at_maps(std::int32_t pid) {
    if (unplaced.empty()) return;
    const auto maps = tree.read("proc/" + std::to_string(pid) + "/maps", most_maps);
    if (!maps) return;
    for (const auto line : lines_of(*maps)) {
      const auto words = words_of(line);  // addresses rights offset device inode path
      if (words.size() < 6 || words[2] != fill_ring || !words[5].starts_with("socket:[")) continue;
      for (auto* use : unplaced) add(*use, pid, std::string(words[5]));
    }
  }

  void look_at(std::int32_t pid) {
    const auto process = "proc/" + std::to_string(pid);
    const auto descriptors = tree.list(process + "/fd");
    if (!descriptors) return;  // gone, or hidden from us
    for (const auto& descriptor : *descriptors) {
      const auto target = tree.link(process + "/fd/" + descriptor);
      if (!target || !*target || !(*target)->starts_with("socket:[")) continue;
      const auto [first, last] = wanted.equal_range(**target);
      for (auto use = first; use != last; ++use) add(*use->second, pid, **target);
    }
  }
};

}  // namespace

void add_socket_owners(const Tree& tree, std::vector<Use>& uses) {
  OwnerScan scan{tree};
  for (auto& use : uses) {
    if (use.subject.starts_with("socket:[")) scan.wanted.emplace(use.subject, &use);
    if (use.kind == UseKind::PacketSocket && use.subject == unplaced_xdp_socket) scan.unplaced.push_back(&use);
  }
  if (scan.wanted.empty() && scan.unplaced.empty()) return;
  const auto names = tree.list("proc");
  if (!names) return;
  for (const auto& name : *names) {
    const auto pid = number_from<std::int32_t>(name);
    if (!pid) continue;
    if (!scan.wanted.empty()) scan.look_at(*pid);
    scan.look_at_maps(*pid);
  }
}

}  // namespace devbindd::sysfs
