#include "sysfs/descendants.hpp"

#include <algorithm>
#include <array>

#include "sysfs/pci_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_descendants = 8192;
constexpr int most_levels = 24;

// Directories of attributes, some of them with hundreds of entries; no device is below them.
constexpr std::array<std::string_view, 12> barren = {"power",     "queues", "statistics", "msi_irqs", "wakeup", "mq",
                                                     "integrity", "trace",  "holders",    "slaves",   "queue",  "link"};

bool is_own_directory(const Tree& tree, const std::string& path) {
  const auto link = tree.link(path);
  if (!link || *link) return false;
  const auto status = tree.status(path);
  return status && *status && (*status)->directory;
}

struct Descent {
  const Tree& tree;
  std::vector<Descendant> found;

  void enter(const std::string& path, int level) {
    const auto names = tree.list(path);
    if (!names) return;
    for (const auto& name : *names) {
      if (found.size() >= most_descendants) return;
      if (std::ranges::find(barren, name) != barren.end() || parse_pci_address(name)) continue;
      const auto below = path + "/" + name;
      if (!is_own_directory(tree, below)) continue;
      add(below, name);
      if (level < most_levels) enter(below, level + 1);
    }
  }

  void add(const std::string& path, const std::string& name) {
    const auto target = tree.link(path + "/subsystem");
    if (!target || !*target) return;
    const auto slash = (*target)->rfind('/');
    if (slash == std::string::npos) return;
    found.push_back({(*target)->substr(slash + 1), (*target)->find("/bus/") != std::string::npos, name, path});
  }
};

}  // namespace

std::vector<Descendant> descendants_of(const Tree& tree, const std::string& device_path) {
  Descent walk{tree, {}};
  walk.enter(device_path, 0);
  return std::move(walk.found);
}

std::optional<DeviceNumber> node_number(const Tree& tree, const std::string& device_path) {
  const auto content = tree.read(device_path + "/dev");
  if (!content) return std::nullopt;
  return device_number_from(*content);
}

}  // namespace devbindd::sysfs
