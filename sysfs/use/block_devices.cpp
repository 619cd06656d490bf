// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/block_devices.hpp"

#include <algorithm>
#include <string_view>

#include "sysfs/kernel/uevent.hpp"

namespace devbindd::sysfs {
namespace {

const std::string class_block = "sys/class/block/";
const std::string nvme_subsystems = "sys/class/nvme-subsystem/";

struct HiddenPath {
  std::string subsystem;   ///< "nvme-subsys0"
  std::string controller;  ///< "1"
  std::string name_space;  ///< "1"
  std::string head;        ///< "nvme0n1"
};

std::string digits_at(const std::string& text, std::size_t& at) {
  const auto begin = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return text.substr(begin, at - begin);
}

// "nvme0c1n2": subsystem 0, controller 1, namespace 2.
std::optional<HiddenPath> hidden_path(const std::string& name) {
  if (!name.starts_with("nvme")) return std::nullopt;
  std::size_t at = 4;
  const auto subsystem = digits_at(name, at);
  if (subsystem.empty() || at >= name.size() || name[at++] != 'c') return std::nullopt;
  const auto controller = digits_at(name, at);
  if (controller.empty() || at >= name.size() || name[at++] != 'n') return std::nullopt;
  const auto name_space = digits_at(name, at);
  if (name_space.empty() || at != name.size()) return std::nullopt;
  return HiddenPath{"nvme-subsys" + subsystem, controller, name_space, "nvme" + subsystem + "n" + name_space};
}

bool is_own(const std::vector<Descendant>& descendants, const std::string& controller) {
  return std::ranges::any_of(
      descendants, [&](const Descendant& found) { return found.subsystem == "nvme" && found.name == controller; });
}

// Controllers of the subsystem that are alive, belong to another function, and see the namespace.
std::vector<std::string> other_paths(const Tree& tree, const std::vector<Descendant>& descendants,
                                     const HiddenPath& hidden) {
  std::vector<std::string> others;
  const auto directory = nvme_subsystems + hidden.subsystem;
  const auto names = tree.list(directory);
  if (!names) return others;
  for (const auto& name : *names) {
    if (!name.starts_with("nvme") || name == hidden.head || is_own(descendants, name)) continue;
    const auto controller = directory + "/" + name;
    if (tree.read(controller + "/state").value_or("") != "live") continue;
    const auto entries = tree.list(controller);
    if (!entries) continue;
    const bool sees = std::ranges::any_of(*entries, [&](const std::string& entry) {
      const auto path = hidden_path(entry);
      return path && path->head == hidden.head;
    });
    if (sees) others.push_back(name);
  }
  return others;
}

// The function at the end of a device's path, or those of all controllers of the head of an NVMe multipath.
void add_functions(const Tree& tree, const std::string& place, std::set<PciAddress>& functions) {
  if (const auto addresses = addresses_in(place); !addresses.empty()) functions.insert(addresses.back());
  const auto at = place.find("/nvme-subsystem/");
  if (at == std::string::npos) return;
  const auto begin = at + std::string_view("/nvme-subsystem/").size();
  const auto directory = nvme_subsystems + place.substr(begin, place.find('/', begin) - begin);
  for (const auto& entry : tree.list(directory).value_or(std::vector<std::string>{})) {
    const auto controller = tree.link(directory + "/" + entry).value_or(std::nullopt).value_or("");
    if (const auto addresses = addresses_in(controller); !addresses.empty()) functions.insert(addresses.back());
  }
}

}  // namespace

std::vector<Disk> disks_of(const Tree& tree, const std::vector<Descendant>& descendants) {
  std::vector<Disk> disks;
  for (const auto& found : descendants) {
    if (found.subsystem != "block" || tree.read(found.path + "/partition")) continue;
    const auto hidden = hidden_path(found.name);
    if (!hidden) {
      disks.push_back({found.name, {found.name}, {}});
      continue;
    }
    disks.push_back({hidden->head, {found.name, hidden->head}, other_paths(tree, descendants, *hidden)});
  }
  return disks;
}

std::vector<std::string> partitions_of(const Tree& tree, const std::string& disk) {
  const auto names = tree.list(class_block + disk);
  if (!names) return {};
  std::vector<std::string> partitions;
  for (const auto& name : *names) {
    if (name.starts_with(disk) && tree.read(class_block + disk + "/" + name + "/partition")) partitions.push_back(name);
  }
  return partitions;
}

std::vector<std::string> holders_of(const Tree& tree, const std::string& device) {
  return tree.list(class_block + device + "/holders").value_or(std::vector<std::string>{});
}

std::string label_of(const Tree& tree, const std::string& device) {
  const auto name = tree.read(class_block + device + "/dm/name");
  return name && !name->empty() ? device + " (" + *name + ")" : device;
}

std::optional<DeviceNumber> block_number(const Tree& tree, const std::string& device) {
  return node_number(tree, class_block + device);
}

std::string block_node_path(const std::string& device) {
  auto name = device;
  std::ranges::replace(name, '!', '/');
  return "/dev/" + name;
}

std::set<PciAddress> functions_below(const Tree& tree, DeviceNumber number) {
  constexpr std::size_t most_devices = 256;
  const auto first =
      link_name(tree, "sys/dev/block/" + std::to_string(number.major) + ":" + std::to_string(number.minor));
  if (!first || !*first) return {};
  std::set<PciAddress> functions;
  std::vector<std::string> waiting = {**first};
  std::set<std::string> seen = {**first};
  while (!waiting.empty() && seen.size() <= most_devices) {
    const auto name = std::move(waiting.back());
    waiting.pop_back();
    const auto place = tree.link(class_block + name).value_or(std::nullopt).value_or("");
    add_functions(tree, place, functions);
    for (auto& part : tree.list(class_block + name + "/slaves").value_or(std::vector<std::string>{})) {
      if (seen.insert(part).second) waiting.push_back(std::move(part));
    }
    // A partition has the slaves of its disk: those of md, dm and bcache have none of their own.
    const auto above = place.substr(0, place.rfind('/'));
    auto disk = above.substr(above.rfind('/') + 1);
    if (tree.read(class_block + name + "/partition") && seen.insert(disk).second) waiting.push_back(std::move(disk));
  }
  return functions;
}

}  // namespace devbindd::sysfs
