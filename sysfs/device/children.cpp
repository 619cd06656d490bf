// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/children.hpp"

#include <algorithm>
#include <array>

#include "sysfs/device/descendants.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_children = 256;
constexpr std::size_t most_of_a_kind = 65'536;

// What a person looks for. Buses in between (virtio, scsi, usb) are walked through.
constexpr std::array<std::string_view, 20> kinds = {
    "net", "block", "nvme",     "drm",  "infiniband", "sound", "graphics", "ptp", "scsi_host", "accel",
    "tty", "uio",   "watchdog", "vdpa", "ieee80211",  "input", "mmc_host", "tpm", "mdev",      "vfio-dev"};

// Those that have further ones below them worth a line: namespaces, disks, partitions. A network interface has hundreds
// of directories for its queues.
constexpr std::array<std::string_view, 4> parents = {"nvme", "scsi_host", "mmc_host", "block"};

bool is_kind(const std::string& name) { return std::ranges::find(kinds, name) != kinds.end(); }
bool is_parent(const std::string& name) { return std::ranges::find(parents, name) != parents.end(); }

// "../../devices/pci0000:00/0000:00:1f.2/..." from /sys/class/block, "../../../devices/..." from a bus.
std::string directory_of(const std::string& target) {
  const auto at = target.find("devices/");
  return at == std::string::npos ? std::string{} : "/sys/" + target.substr(at);
}

}  // namespace

std::vector<Child> children_of(const Tree& tree, const std::string& device_path) {
  std::vector<Child> found;
  std::string closed;  // what is below this one is not told
  for (const auto& descendant : descendants_of(tree, device_path)) {
    if (!closed.empty() && descendant.path.starts_with(closed)) continue;
    if (!is_kind(descendant.subsystem)) continue;
    if (found.size() == most_children) break;
    found.push_back({descendant.subsystem, descendant.name, descendant.path.substr(device_path.size() + 1)});
    closed = is_parent(descendant.subsystem) ? std::string{} : descendant.path + "/";
  }
  return found;
}

std::vector<std::string> directories_of_named(const Tree& tree,
                                              const std::function<bool(const std::string& name)>& is_wanted) {
  std::vector<std::string> found;
  for (const auto kind : kinds)
    for (const auto& place : {"sys/class/" + std::string(kind), "sys/bus/" + std::string(kind) + "/devices"}) {
      const auto links = tree.links(place, most_of_a_kind);
      if (!links) continue;  // the host has none of that kind
      for (const auto& link : *links)
        if (is_wanted(link.name)) found.push_back(directory_of(link.target));
    }
  return found;
}

}  // namespace devbindd::sysfs
