// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_stack.hpp"

#include <algorithm>
#include <set>

#include "sysfs/kernel/uevent.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_stack_depth = 16;
constexpr std::size_t max_stack_paths = 256;
constexpr std::string_view upper_prefix = "upper_";
constexpr std::string_view lower_prefix = "lower_";
constexpr std::size_t max_lowers = 64;

std::vector<std::string> linked_interfaces(const Tree& tree, const std::string& interface, std::string_view prefix) {
  std::vector<std::string> names;
  const auto entries = tree.list("sys/class/net/" + interface);
  if (!entries) return names;
  for (const auto& entry : *entries) {
    if (entry.starts_with(prefix)) names.push_back(entry.substr(prefix.size()));
  }
  return names;
}

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
  return linked_interfaces(tree, interface, upper_prefix);
}

std::vector<InterfacePath> stacked_interfaces(const Tree& tree, const std::string& interface) {
  std::vector<InterfacePath> found;
  climb(tree, {interface}, found);
  return found;
}

std::set<PciAddress> devices_below(const Tree& tree, const std::string& interface) {
  std::set<PciAddress> devices;
  std::vector<std::string> waiting = {interface};
  std::set<std::string> seen = {interface};
  while (!waiting.empty() && seen.size() <= max_lowers) {
    const auto name = std::move(waiting.back());
    waiting.pop_back();
    const auto place = tree.link("sys/class/net/" + name);
    if (place && *place) {
      if (const auto addresses = addresses_in(**place); !addresses.empty()) devices.insert(addresses.back());
    }
    for (auto& lower : linked_interfaces(tree, name, lower_prefix)) {
      if (seen.insert(lower).second) waiting.push_back(std::move(lower));
    }
  }
  return devices;
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
