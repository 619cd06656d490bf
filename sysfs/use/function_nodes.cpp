// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/function_nodes.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "sysfs/device/resource.hpp"
#include "sysfs/kernel/paths.hpp"
#include "sysfs/use/usb_use.hpp"

namespace devbindd::sysfs {
namespace {

struct ClassRule {
  std::string_view subsystem;
  UseKind kind;
  std::string_view directory;  ///< of its nodes, where `uevent` does not name them
};

// The classes whose use has a kind of its own; every other one is CharacterOpen.
constexpr std::array<ClassRule, 14> rules = {{
    {"drm", UseKind::DisplayOpen, "/dev/dri/"},
    {"graphics", UseKind::DisplayOpen, "/dev/"},
    {"accel", UseKind::ComputeOpen, "/dev/accel/"},
    {"habanalabs", UseKind::ComputeOpen, "/dev/"},
    {"uacce", UseKind::ComputeOpen, "/dev/"},
    {"sound", UseKind::SoundOpen, "/dev/snd/"},
    {"infiniband_verbs", UseKind::RdmaOpen, "/dev/infiniband/"},
    {"infiniband_mad", UseKind::RdmaOpen, "/dev/infiniband/"},
    {"usb", UseKind::UsbInUse, "/dev/"},
    {"nvme", UseKind::BlockOpen, "/dev/"},
    {"nvme-generic", UseKind::BlockOpen, "/dev/"},
    {"scsi_generic", UseKind::BlockOpen, "/dev/"},
    {"scsi_tape", UseKind::BlockOpen, "/dev/"},
    {"bsg", UseKind::BlockOpen, "/dev/bsg/"},
}};

constexpr std::uint32_t nvidia_major = 195;  // Documentation/admin-guide/devices.txt
constexpr DeviceNumber randomness{10, 183};  // likewise: /dev/hwrng
constexpr DeviceNumber watchdog{10, 130};    // likewise: /dev/watchdog, which is the first one's other name
const std::string watchdogs = "sys/class/watchdog";
const std::string terminals = "sys/class/tty";

bool is_below_class(const std::vector<Descendant>& descendants, const Descendant& found, std::string_view subsystem) {
  return std::ranges::any_of(descendants, [&](const Descendant& above) {
    return above.subsystem == subsystem && found.path.starts_with(above.path + "/");
  });
}

bool is_harmless(const Tree& tree, const std::vector<Descendant>& descendants, const Descendant& found) {
  return std::ranges::any_of(harmless_nodes(), [&](const HarmlessNode& node) {
    if (node.subsystem != found.subsystem) return false;
    if (found.subsystem == "usb") return !is_usb_function(tree, found);
    return node.below.empty() || is_below_class(descendants, found, node.below);
  });
}

// DEVNAME=bus/usb/001/003
std::string node_name(const Tree& tree, const Descendant& found, std::string_view directory) {
  const auto text = tree.read(found.path + "/uevent").value_or("");
  for (const auto line : lines_of(text)) {
    if (line.starts_with("DEVNAME=")) return "/dev/" + std::string(line.substr(8));
  }
  return std::string(directory) + found.name;
}

void add_node(const Tree& tree, const Descendant& found, const DeviceNumber& number, std::vector<OwnedNode>& nodes) {
  const auto rule = std::ranges::find(rules, found.subsystem, &ClassRule::subsystem);
  const bool known = rule != rules.end();
  nodes.push_back({known ? rule->kind : UseKind::CharacterOpen,
                   {found.name},
                   number,
                   false,
                   node_name(tree, found, known ? rule->directory : "/dev/")});
}

// The group of a device below the function is its own; it is open when somebody has the device through VFIO.
void add_vfio_group(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  if (found.subsystem != "mdev" && !is_pci_function(found)) return;
  const auto group = link_name(tree, found.path + "/iommu_group");
  if (!group || !*group) return;
  const auto number = node_number(tree, "sys/class/vfio/" + **group);
  if (number) nodes.push_back({UseKind::CharacterOpen, {found.name}, *number, false, "/dev/vfio/" + **group});
}

// "Device Minor: \t 0"
std::optional<unsigned> nvidia_minor(const Tree& tree, const PciAddress& address) {
  const auto text = tree.read("proc/driver/nvidia/gpus/" + to_string(address) + "/information");
  if (!text) return std::nullopt;
  for (const auto line : lines_of(*text)) {
    const auto words = words_of(line);
    if (words.size() == 3 && words[0] == "Device" && words[1] == "Minor:") return number_from<unsigned>(words[2]);
  }
  return std::nullopt;
}

// hvc0 and its like stand below no device; which virtio console has which the kernel does not tell.
void add_virtual_terminals(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  const auto names = tree.list(terminals);
  for (const auto& name : names ? *names : std::vector<std::string>{}) {
    const auto number = name.starts_with("hvc") ? node_number(tree, terminals + "/" + name) : std::nullopt;
    if (number) nodes.push_back({UseKind::CharacterOpen, {found.name, name}, *number, false, "/dev/" + name});
  }
}

void add_randomness(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  const auto current = tree.read("sys/class/misc/hw_random/rng_current").value_or("");
  if (current.starts_with("virtio_rng"))
    nodes.push_back({UseKind::CharacterOpen, {found.name}, randomness, false, "/dev/hwrng"});
}

void add_nodes_of_virtio(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  if (found.subsystem != "virtio" || !found.on_bus) return;
  const auto driver = link_name(tree, found.path + "/driver").value_or(std::nullopt).value_or("");
  if (driver == "virtio_console") add_virtual_terminals(tree, found, nodes);
  if (driver == "virtio_rng") add_randomness(tree, found, nodes);
}

// A driver that does not tell the watchdog's parent leaves it below no device; it then names itself in both.
void add_watchdogs(const Tree& tree, const PciAddress& address, std::vector<OwnedNode>& nodes) {
  const auto names = tree.list(watchdogs);
  if (!names || names->empty()) return;
  const auto driver = link_name(tree, paths::device(address) + "/driver").value_or(std::nullopt);
  for (const auto& name : *names) {
    const auto path = watchdogs + "/" + name;
    const auto place = tree.link(path).value_or(std::nullopt).value_or("");
    const auto number = node_number(tree, path);
    if (!driver || !number || place.find("/virtual/") == std::string::npos) continue;
    if (tree.read(path + "/identity").value_or("") != *driver) continue;
    nodes.push_back({UseKind::CharacterOpen, {name}, *number, false, "/dev/" + name});
    if (name == "watchdog0") nodes.push_back({UseKind::CharacterOpen, {name}, watchdog, false, "/dev/watchdog"});
  }
}

std::vector<MemoryRange> memory_ranges(const Tree& tree, const std::string& device_path) {
  const auto text = tree.read(device_path + "/resource");
  const auto resources = text ? parse_resources(*text) : Result<std::vector<Resource>>();
  std::vector<MemoryRange> ranges;
  for (const auto& bar : resources ? *resources : std::vector<Resource>{}) {
    if (bar.kind != ResourceKind::Bar || bar.io || bar.unassigned || bar.size == 0) continue;
    ranges.push_back({bar.start, bar.start + (bar.size - 1)});
  }
  return ranges;
}

}  // namespace

const std::vector<HarmlessNode>& harmless_nodes() {
  static const std::vector<HarmlessNode> nodes = {
      {"usb", "", "A hub's node tells what is plugged in, and each device that is has a node of its own."},
      {"input", "sound", "A power daemon watches the plugs of every sound card, whether the card plays or not."},
  };
  return nodes;
}

std::vector<OwnedNode> function_nodes(const Tree& tree, const PciAddress& address,
                                      const std::vector<Descendant>& descendants) {
  std::vector<OwnedNode> nodes;
  for (const auto& found : descendants) {
    add_vfio_group(tree, found, nodes);
    add_nodes_of_virtio(tree, found, nodes);
    if (found.subsystem == "block") continue;
    const auto number = node_number(tree, found.path);
    if (number && !is_harmless(tree, descendants, found)) add_node(tree, found, *number, nodes);
  }
  add_watchdogs(tree, address, nodes);
  if (const auto minor = nvidia_minor(tree, address)) {
    const auto name = "nvidia" + std::to_string(*minor);
    nodes.push_back({UseKind::ComputeOpen, {name}, {nvidia_major, *minor}, false, "/dev/" + name});
  }
  return nodes;
}

std::vector<OwnedMemory> function_memories(const Tree& tree, const PciAddress& address, const std::string& device_path,
                                           const std::vector<Descendant>& descendants) {
  std::vector<OwnedMemory> memories = {{{}, address, memory_ranges(tree, device_path)}};
  for (const auto& found : descendants) {
    if (!is_pci_function(found)) continue;
    memories.push_back({{found.name}, *parse_pci_address(found.name), memory_ranges(tree, found.path)});
  }
  return memories;
}

}  // namespace devbindd::sysfs
