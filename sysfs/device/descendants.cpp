// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/descendants.hpp"

#include <algorithm>
#include <array>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_descendants = 8192;
constexpr int most_levels = 40;  // a disk below a switch below a VMD is 20 deep

// Directories of attributes, some of them with hundreds of entries; no device is below them.
constexpr std::array<std::string_view, 12> barren = {"power",     "queues", "statistics", "msi_irqs", "wakeup", "mq",
                                                     "integrity", "trace",  "holders",    "slaves",   "queue",  "link"};

// 0604 PCI-to-PCI, 0607 CardBus, 0609 semi-transparent: what lies behind does not depend on the bridge's driver.
bool leads_to_others(const Tree& tree, const std::string& function) {
  const auto code = tree.read(function + "/class").value_or("");
  return code.starts_with("0x0604") || code.starts_with("0x0607") || code.starts_with("0x0609");
}

struct Descent {
  const Tree& tree;
  bool enters_functions;
  std::vector<Descendant> found = {};

  void enter(const std::string& path, int level) {
    const auto names = tree.directories(path);
    if (!names) return;
    for (const auto& name : *names) {
      if (found.size() >= most_descendants) return;
      if (std::ranges::find(barren, name) != barren.end()) continue;
      if (!enters_functions && parse_pci_address(name)) continue;
      const auto below = path + "/" + name;
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
  Descent walk{tree, !leads_to_others(tree, device_path)};
  walk.enter(device_path, 0);
  return std::move(walk.found);
}

bool is_pci_function(const Descendant& descendant) {
  return descendant.on_bus && descendant.subsystem == "pci" && parse_pci_address(descendant.name).has_value();
}

std::optional<DeviceNumber> node_number(const Tree& tree, const std::string& device_path) {
  const auto content = tree.read(device_path + "/dev");
  if (!content) return std::nullopt;
  return device_number_from(*content);
}

}  // namespace devbindd::sysfs
