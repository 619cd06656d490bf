#include "sysfs/function_nodes.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string_view>

#include "sysfs/usb_use.hpp"

namespace devbindd::sysfs {
namespace {

struct ClassRule {
  std::string_view subsystem;
  UseKind kind;
  std::string_view directory;  ///< of its nodes
};

constexpr std::array<ClassRule, 13> rules = {{
    {"drm", UseKind::DisplayOpen, "/dev/dri/"},
    {"graphics", UseKind::DisplayOpen, "/dev/"},
    {"accel", UseKind::ComputeOpen, "/dev/accel/"},
    {"habanalabs", UseKind::ComputeOpen, "/dev/"},
    {"uacce", UseKind::ComputeOpen, "/dev/"},
    {"sound", UseKind::SoundOpen, "/dev/snd/"},
    {"infiniband_verbs", UseKind::RdmaOpen, "/dev/infiniband/"},
    {"infiniband_mad", UseKind::RdmaOpen, "/dev/infiniband/"},
    {"nvme", UseKind::BlockOpen, "/dev/"},
    {"nvme-generic", UseKind::BlockOpen, "/dev/"},
    {"scsi_generic", UseKind::BlockOpen, "/dev/"},
    {"scsi_tape", UseKind::BlockOpen, "/dev/"},
    {"bsg", UseKind::BlockOpen, "/dev/bsg/"},
}};

constexpr std::uint32_t nvidia_major = 195;  // Documentation/admin-guide/devices.txt

void add_class_node(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  const auto rule = std::ranges::find(rules, found.subsystem, &ClassRule::subsystem);
  if (rule == rules.end()) return;
  const auto number = node_number(tree, found.path);
  if (!number) return;
  nodes.push_back({rule->kind, {found.name}, *number, false, std::string(rule->directory) + found.name});
}

void add_usb_node(const Tree& tree, const Descendant& found, std::vector<OwnedNode>& nodes) {
  if (!is_usb_function(tree, found)) return;
  const auto number = node_number(tree, found.path);
  const auto bus = number_from<unsigned>(tree.read(found.path + "/busnum").value_or(""));
  const auto device = number_from<unsigned>(tree.read(found.path + "/devnum").value_or(""));
  if (!number || !bus || !device) return;
  std::array<char, 48> node{};
  std::snprintf(node.data(), node.size(), "/dev/bus/usb/%03u/%03u", *bus, *device);
  nodes.push_back({UseKind::UsbInUse, {found.name}, *number, false, node.data()});
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

}  // namespace

std::vector<OwnedNode> function_nodes(const Tree& tree, const PciAddress& address,
                                      const std::vector<Descendant>& descendants) {
  std::vector<OwnedNode> nodes;
  for (const auto& found : descendants) {
    add_class_node(tree, found, nodes);
    add_usb_node(tree, found, nodes);
  }
  if (const auto minor = nvidia_minor(tree, address)) {
    const auto name = "nvidia" + std::to_string(*minor);
    nodes.push_back({UseKind::ComputeOpen, {name}, {nvidia_major, *minor}, false, "/dev/" + name});
  }
  return nodes;
}

}  // namespace devbindd::sysfs
