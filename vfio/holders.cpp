// SPDX-License-Identifier: Apache-2.0
#include "vfio/holders.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::vfio {
namespace {

constexpr std::string_view device_inode = "anon_inode:[vfio-device]";

std::vector<std::string> nodes_to_look_for(const HolderQuery& query) {
  std::vector<std::string> nodes;
  if (query.group) {
    nodes.push_back("/dev/vfio/" + std::to_string(*query.group));
    nodes.push_back("/dev/vfio/noiommu-" + std::to_string(*query.group));
  }
  if (query.vfio_device) nodes.push_back("/dev/vfio/devices/" + *query.vfio_device);
  return nodes;
}

// nullopt: it names another device. false: the kernel does not say which device it is.
std::optional<bool> device_descriptor(const sysfs::Tree& tree, const std::string& process, const std::string& fd,
                                      const std::string& address) {
  const auto info = tree.read(process + "/fdinfo/" + fd);
  if (!info) return false;
  constexpr std::string_view key = "vfio-device-syspath:";
  const auto at = info->find(key);
  if (at == std::string::npos) return false;
  const auto line = std::string_view(*info).substr(at, info->find('\n', at) - at);
  if (line.ends_with("/" + address)) return true;
  return std::nullopt;
}

struct Scan {
  const sysfs::Tree& tree;
  std::string address;
  std::vector<std::string> nodes;
  bool device_open;
  std::vector<Holder> found = {};

  void add(std::int32_t pid, const std::string& process, std::string path, bool certain) {
    const auto same = [&](const Holder& holder) { return holder.pid == pid && holder.path == path; };
    if (std::ranges::any_of(found, same)) return;
    found.push_back({pid, tree.read(process + "/comm").value_or("?"), std::move(path), certain});
  }

  void descriptor(std::int32_t pid, const std::string& process, const std::string& fd, const std::string& target) {
    if (std::ranges::find(nodes, target) != nodes.end()) add(pid, process, target, true);
    if (!device_open || target != device_inode) return;
    if (const auto certain = device_descriptor(tree, process, fd, address)) add(pid, process, target, *certain);
  }

  std::vector<Holder> holders() {
    // What is certain makes guesses superfluous: an unnamed descriptor of a process that holds the group is this
    // device's.
    const bool any_certain = std::ranges::any_of(found, [](const Holder& holder) { return holder.certain; });
    if (any_certain) std::erase_if(found, [](const Holder& holder) { return !holder.certain; });
    std::ranges::stable_sort(found, {}, &Holder::pid);
    return std::move(found);
  }
};

void look_at_descriptors(std::vector<Scan>& scans, const sysfs::Tree& tree, std::int32_t pid,
                         const std::string& process) {
  const auto fds = tree.list(process + "/fd");
  if (!fds) return;  // gone, or hidden from us
  for (const auto& fd : *fds) {
    const auto target = tree.link(process + "/fd/" + fd);
    if (!target || !*target) continue;
    for (auto& scan : scans) scan.descriptor(pid, process, fd, **target);
  }
}

// A mapping alone keeps the device in use, even when every descriptor is closed.
void look_at_mappings(std::vector<Scan>& scans, const sysfs::Tree& tree, std::int32_t pid, const std::string& process) {
  if (std::ranges::none_of(scans, &Scan::device_open)) return;
  const auto maps = tree.read(process + "/maps", 4U << 20U);
  if (!maps || maps->find(device_inode) == std::string::npos) return;
  for (auto& scan : scans) {
    if (scan.device_open) scan.add(pid, process, std::string(device_inode), false);
  }
}

}  // namespace

sysfs::Result<std::vector<std::vector<Holder>>> find_holders(const sysfs::Tree& tree,
                                                             const std::vector<HolderQuery>& queries) {
  auto names = tree.list("proc");
  if (!names) return std::unexpected(names.error());
  std::vector<Scan> scans;
  for (const auto& query : queries)
    scans.push_back({tree, sysfs::to_string(query.address), nodes_to_look_for(query), query.device_open});
  for (const auto& name : *names) {
    const auto pid = sysfs::number_from<std::int32_t>(name);
    if (!pid) continue;
    look_at_descriptors(scans, tree, *pid, "proc/" + name);
    look_at_mappings(scans, tree, *pid, "proc/" + name);
  }
  std::vector<std::vector<Holder>> found;
  for (auto& scan : scans) found.push_back(scan.holders());
  return found;
}

sysfs::Result<std::vector<Holder>> find_holders(const sysfs::Tree& tree, const HolderQuery& query) {
  auto found = find_holders(tree, std::vector{query});
  if (!found) return std::unexpected(found.error());
  return std::move(found->front());
}

}  // namespace devbindd::vfio
