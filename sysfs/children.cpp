#include "sysfs/children.hpp"

#include <algorithm>
#include <array>

#include "sysfs/pci_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_children = 256;
constexpr int most_levels = 12;

// What a person looks for. Buses in between (virtio, scsi, usb) are walked through.
constexpr std::array<std::string_view, 20> kinds = {
    "net", "block", "nvme",     "drm",  "infiniband", "sound", "graphics", "ptp", "scsi_host", "accel",
    "tty", "uio",   "watchdog", "vdpa", "ieee80211",  "input", "mmc_host", "tpm", "mdev",      "vfio-dev"};

// Those that have further ones below them worth a line: namespaces, disks, partitions. A network interface has hundreds
// of directories for its queues.
constexpr std::array<std::string_view, 4> parents = {"nvme", "scsi_host", "mmc_host", "block"};

bool is_kind(const std::string& name) { return std::ranges::find(kinds, name) != kinds.end(); }
bool is_parent(const std::string& name) { return std::ranges::find(parents, name) != parents.end(); }

bool is_directory(const Tree& tree, const std::string& path) {
  const auto link = tree.link(path);
  if (!link || *link) return false;  // a link leads elsewhere
  const auto status = tree.status(path);
  return status && *status && (*status)->directory;
}

struct Walk {
  const Tree& tree;
  std::string root;
  std::vector<Child> found;

  void enter(const std::string& path, int level) {
    if (level > most_levels || found.size() >= most_children) return;
    const auto names = tree.list(path);
    if (!names) return;
    for (const auto& name : *names) {
      const auto below = path + "/" + name;
      if (name == "power" || parse_pci_address(name) || !is_directory(tree, below)) continue;
      const auto subsystem = link_name(tree, below + "/subsystem");
      const bool child = subsystem && *subsystem && is_kind(**subsystem);
      if (child && found.size() < most_children) found.push_back({**subsystem, name, below.substr(root.size() + 1)});
      if (!child || is_parent(**subsystem)) enter(below, level + 1);
    }
  }
};

}  // namespace

std::vector<Child> children_of(const Tree& tree, const std::string& device_path) {
  Walk walk{tree, device_path, {}};
  walk.enter(device_path, 0);
  return std::move(walk.found);
}

}  // namespace devbindd::sysfs
