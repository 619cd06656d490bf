// SPDX-License-Identifier: Apache-2.0
#include "api/render/cdi_check.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "api/render/cdi_names.hpp"
#include "vfio/node_name.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// What is not here may mean anything to the next version of a runtime.
bool has_only(const json& object, std::span<const std::string_view> members) {
  if (!object.is_object()) return false;
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(members, name) == members.end()) return false;
  }
  return true;
}

bool is_device_node(const json& node) {
  constexpr std::array<std::string_view, 3> members = {"path", "hostPath", "permissions"};
  return has_only(node, members) && node.contains("path") && std::ranges::all_of(node.items(), [](const auto& member) {
           if (!member.value().is_string()) return false;
           const auto& text = member.value().template get_ref<const std::string&>();
           return member.key() == "permissions" ? text == "rw" : vfio::node_named(text).has_value();
         });
}

bool is_variable(const json& variable) {
  if (!variable.is_string()) return false;
  const auto& text = variable.get_ref<const std::string&>();
  return (text.starts_with("PCIDEVICE_") || text.starts_with("DEVBINDD_")) && text.find('\n') == std::string::npos;
}

bool all_in(const json& object, const char* member, bool (*good)(const json&)) {
  const auto found = object.find(member);
  return found == object.end() || (found->is_array() && std::ranges::all_of(*found, good));
}

bool is_edit(const json& edits) {
  constexpr std::array<std::string_view, 2> members = {"env", "deviceNodes"};
  return has_only(edits, members) && all_in(edits, "env", is_variable) && all_in(edits, "deviceNodes", is_device_node);
}

bool has_edits(const json& object) { return !object.contains("containerEdits") || is_edit(object["containerEdits"]); }

bool is_device(const json& device) {
  constexpr std::array<std::string_view, 2> members = {"name", "containerEdits"};
  return has_only(device, members) && device.contains("name") && device["name"].is_string() && has_edits(device);
}

}  // namespace

bool is_harmless_cdi(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  constexpr std::array<std::string_view, 4> members = {"cdiVersion", "kind", "devices", "containerEdits"};
  return has_only(document, members) && document.value("kind", json()) == cdi_kind &&
         document.value("cdiVersion", json()).is_string() && all_in(document, "devices", is_device) &&
         has_edits(document);
}

}  // namespace devbindd::api
