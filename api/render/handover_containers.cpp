// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover_containers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/render/cdi_names.hpp"
#include "api/render/handover_environment.hpp"
#include "api/render/handover_parts.hpp"

namespace devbindd::api {
namespace {

using nlohmann::ordered_json;
using sysfs::to_string;

ordered_json envs(const Handover& handover) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : address_variables(handover)) object[name] = value;
  if (const auto token = token_of(handover); !token.empty()) object["DEVBINDD_VF_TOKEN"] = token;
  return object;
}

// The nodes of a device and of its companions, as far as they depend on the device.
std::vector<Node> own_nodes(const Handover& handover, const HandedDevice& device) {
  std::vector<HandedDevice> members = {device};
  for (const auto& companion : handover.companions) {
    if (companion.iommu_group && companion.iommu_group == device.iommu_group) members.push_back(companion);
  }
  return nodes_of(members, handover.backend);
}

// True for a node that exactly one requested device needs. All others go to the edits that any of them brings: two
// members of a group go to one consumer anyway, since a group has one opener.
bool belongs_to_one(const Handover& handover, const Node& node) {
  return 1 == std::ranges::count_if(handover.devices, [&](const auto& device) {
           const auto nodes = own_nodes(handover, device);
           return std::ranges::find(nodes, node) != nodes.end();
         });
}

ordered_json cdi_nodes(const std::vector<Node>& nodes) {
  ordered_json list = ordered_json::array();
  for (const auto& node : nodes) {
    ordered_json entry = {{"path", node.path}};
    if (node.host_path != node.path) entry["hostPath"] = node.host_path;
    entry["permissions"] = "rw";
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json cdi_device(const Handover& handover, const HandedDevice& device) {
  auto nodes = own_nodes(handover, device);
  std::erase_if(nodes, [&](const auto& node) { return !belongs_to_one(handover, node); });
  const auto address = to_string(device.address);
  ordered_json edits = {{"env", {address_variable(device) + "_" + env_word(address) + "=" + address}}};
  if (!nodes.empty()) edits["deviceNodes"] = cdi_nodes(nodes);
  return {{"name", cdi_device_name(handover, device)}, {"containerEdits", std::move(edits)}};
}

// The two orchestrators' lists differ in the names of the members only.
ordered_json device_list(const Handover& handover, const char* path, const char* host_path) {
  ordered_json list = ordered_json::array();
  for (const auto& node : all_nodes(handover)) {
    list.push_back({{path, node.path}, {host_path, node.host_path}, {"permissions", "rw"}});
  }
  return list;
}

}  // namespace

HandoverText render_cdi(const Handover& handover) {
  ordered_json devices = ordered_json::array();
  for (const auto& device : handover.devices) devices.push_back(cdi_device(handover, device));
  auto common = all_nodes(handover);
  std::erase_if(common, [&](const auto& node) { return belongs_to_one(handover, node); });
  ordered_json document = {{"cdiVersion", "0.5.0"}, {"kind", cdi_kind}, {"devices", std::move(devices)}};
  if (const auto token = token_of(handover); !token.empty())
    document["containerEdits"]["env"] = {"DEVBINDD_VF_TOKEN=" + token};
  if (!common.empty()) document["containerEdits"]["deviceNodes"] = cdi_nodes(common);
  return json_text(document);
}

HandoverText render_kubernetes_device_plugin(const Handover& handover) {
  ordered_json names = ordered_json::array();
  for (const auto& name : cdi_names(handover)) names.push_back({{"name", name}});
  return json_text({{"envs", envs(handover)},
                    {"devices", device_list(handover, "containerPath", "hostPath")},
                    {"cdiDevices", std::move(names)}});
}

HandoverText render_nomad(const Handover& handover) {
  return json_text({{"envs", envs(handover)},
                    {"mounts", ordered_json::array()},
                    {"devices", device_list(handover, "task_path", "host_path")}});
}

}  // namespace devbindd::api
