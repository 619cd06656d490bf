// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover_environment.hpp"

#include <algorithm>
#include <utility>

#include "api/render/handover_parts.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using sysfs::to_string;

// In double quotes a shell and systemd's env-file.c unescape the same four characters and nothing else.
std::string quoted(const std::string& value) {
  constexpr std::string_view plain_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,-";
  if (value.find_first_not_of(plain_characters) == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == '`' || c == '$') text += '\\';
    text += c;
  }
  return text + "\"";
}

}  // namespace

std::string env_word(std::string_view text) {
  std::string word;
  for (const char c : text) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    word += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return word;
}

std::string address_variable(const HandedDevice& device) {
  return "PCIDEVICE_DEVBINDD_" + env_word(device.resource_name.empty() ? "vfio" : device.resource_name);
}

std::vector<Variable> address_variables(const Handover& handover) {
  std::vector<Variable> variables;
  for (const auto& device : handover.devices) {
    const auto name = address_variable(device);
    const auto known = std::ranges::find(variables, name, &Variable::name);
    if (known == variables.end()) {
      variables.push_back({name, to_string(device.address)});
    } else {
      known->value += "," + to_string(device.address);
    }
  }
  return variables;
}

HandoverText render_env(const Handover& handover) {
  std::vector<std::string> nodes;
  for (const auto& node : nodes_of(handover.devices, handover.backend)) nodes.push_back(node.host_path);
  const bool groups = handover.backend == Backend::Group;
  const auto listed = sysfs::joined(nodes, " ");
  std::vector<Variable> variables = {{"DEVBINDD_CLAIM", handover.claim},
                                     {"DEVBINDD_DEVICES", sysfs::joined(addresses_of(handover), " ")},
                                     {"DEVBINDD_BACKEND", std::string(name_of(handover.backend))},
                                     {"DEVBINDD_GROUP_NODES", groups ? listed : ""},
                                     {"DEVBINDD_DEVICE_NODES", groups ? "" : listed},
                                     {"DEVBINDD_IOMMUFD", groups || nodes.empty() ? "" : "/dev/iommu"}};
  for (auto& variable : address_variables(handover)) variables.push_back(std::move(variable));
  if (auto token = token_of(handover); !token.empty()) variables.push_back({"DEVBINDD_VF_TOKEN", std::move(token)});
  std::string text;
  for (const auto& [name, value] : variables) text += name + "=" + quoted(value) + "\n";
  return {"text/plain; charset=utf-8", text};
}

}  // namespace devbindd::api
