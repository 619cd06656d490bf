// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover_parts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace devbindd::api {
namespace {

using nlohmann::ordered_json;
using sysfs::to_string;

Node same_path(const std::string& path) { return {path, path}; }

void add_once(std::vector<Node>& nodes, const Node& node) {
  if (std::ranges::find(nodes, node) == nodes.end()) nodes.push_back(node);
}

void add_group_node(std::vector<Node>& nodes, const HandedDevice& device) {
  if (device.group_node.empty()) return;
  const auto path = device.iommu_group ? "/dev/vfio/" + std::to_string(*device.iommu_group) : device.group_node;
  add_once(nodes, {path, device.group_node});
}

std::vector<HandedDevice> everything(const Handover& handover) {
  auto devices = handover.devices;
  devices.insert(devices.end(), handover.companions.begin(), handover.companions.end());
  return devices;
}

}  // namespace

std::vector<Node> nodes_of(const std::vector<HandedDevice>& devices, Backend backend) {
  std::vector<Node> nodes;
  for (const auto& device : devices) {
    if (backend == Backend::Group) add_group_node(nodes, device);
    if (backend == Backend::Iommufd && !device.device_node.empty()) add_once(nodes, same_path(device.device_node));
  }
  return nodes;
}

std::vector<Node> all_nodes(const Handover& handover) {
  auto nodes = nodes_of(everything(handover), handover.backend);
  if (!nodes.empty())
    nodes.insert(nodes.begin(), same_path(handover.backend == Backend::Group ? "/dev/vfio/vfio" : "/dev/iommu"));
  return nodes;
}

std::vector<std::string> addresses_of(const Handover& handover) {
  std::vector<std::string> names;
  for (const auto& device : handover.devices) names.push_back(to_string(device.address));
  return names;
}

std::string token_of(const Handover& handover) {
  return std::ranges::any_of(handover.devices, &HandedDevice::virtual_function) ? handover.vf_token : std::string{};
}

std::string not_for_guests(const HandedDevice& device) {
  return to_string(device.address) +
         " has no IOMMU: a virtual machine cannot get it, since VFIO's no-IOMMU mode does not map a guest's memory";
}

HandoverText json_text(const ordered_json& document) {
  return {"application/json", document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

}  // namespace devbindd::api
