// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_stack.hpp"

#include <algorithm>
#include <set>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_stack_depth = 16;
constexpr std::size_t max_stack_paths = 256;
constexpr std::string_view link_prefix = "upper_";

void climb(const Tree& tree, const InterfacePath& path, std::vector<InterfacePath>& found) {
  if (found.size() >= max_stack_paths) return;
  found.push_back(path);
  if (path.size() >= max_stack_depth) return;
  for (const auto& upper : upper_interfaces(tree, path.back())) {
    if (std::ranges::find(path, upper) != path.end()) continue;
    auto longer = path;
    longer.push_back(upper);
    climb(tree, longer, found);
  }
}

}  // namespace

std::vector<std::string> upper_interfaces(const Tree& tree, const std::string& interface) {
  std::vector<std::string> uppers;
  const auto entries = tree.list("sys/class/net/" + interface);
  if (!entries) return uppers;
  for (const auto& entry : *entries) {
    if (entry.starts_with(link_prefix)) uppers.push_back(entry.substr(link_prefix.size()));
  }
  return uppers;
}

std::vector<InterfacePath> stacked_interfaces(const Tree& tree, const std::string& interface) {
  std::vector<InterfacePath> found;
  climb(tree, {interface}, found);
  return found;
}

void add_uppers(const Tree& tree, std::vector<NetworkInterface>& interfaces) {
  std::vector<std::string> waiting;
  std::set<std::string> seen;
  for (const auto& interface : interfaces) {
    if (!interface.parent_device.empty()) waiting.push_back(interface.name);
  }
  while (!waiting.empty()) {
    const auto name = std::move(waiting.back());
    waiting.pop_back();
    const auto known = std::ranges::find(interfaces, name, &NetworkInterface::name);
    if (known == interfaces.end() || !seen.insert(name).second) continue;
    known->uppers = upper_interfaces(tree, name);
    waiting.insert(waiting.end(), known->uppers.begin(), known->uppers.end());
  }
}

}  // namespace devbindd::sysfs
