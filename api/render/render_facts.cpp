// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_facts.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "handoff/journal/json_values.hpp"
#include "sysfs/device/isolation.hpp"
#include "sysfs/device/serial_number.hpp"
#include "sysfs/device/vital_product_data.hpp"

namespace devbindd::api {
namespace {

using handoff::hex_text;
using handoff::or_null;
using nlohmann::json;
using sysfs::ResourceKind;

json render_link(const std::optional<sysfs::Link>& link) {
  if (!link) return nullptr;
  return {{"current_speed", or_null(link->current_speed)},
          {"current_width", or_null(link->current_width)},
          {"max_speed", or_null(link->max_speed)},
          {"max_width", or_null(link->max_width)}};
}

json render_counters(const std::map<std::string, sysfs::ErrorCounters>& counters) {
  if (counters.empty()) return nullptr;
  json document = json::object();
  for (const auto& [kind, list] : counters) {
    for (const auto& [name, value] : list) document[kind][name] = value;
  }
  return document;
}

json render_sriov(const sysfs::Device& device, const sysfs::DeviceFacts& facts) {
  if (!device.sriov_totalvfs) return nullptr;
  return {{"total_vfs", *device.sriov_totalvfs},         {"vfs", device.virtfns.size()},
          {"vf_device", or_null(facts.sriov_vf_device)}, {"offset", or_null(facts.sriov_offset)},
          {"stride", or_null(facts.sriov_stride)},       {"drivers_autoprobe", or_null(facts.sriov_drivers_autoprobe)}};
}

json render_children(const std::vector<sysfs::Child>& children) {
  json list = json::array();
  for (const auto& child : children)
    list.push_back({{"class", child.kind}, {"name", child.name}, {"path", child.path}});
  return list;
}

json render_interrupts(const std::vector<std::pair<unsigned, std::string>>& irqs) {
  json list = json::array();
  for (const auto& [irq, type] : irqs) list.push_back({{"irq", irq}, {"type", type}});
  return list;
}

json render_upstream(const sysfs::Device& device) {
  json bridges = json::array();
  for (const auto& address : sysfs::upstream_of(device)) bridges.push_back(sysfs::to_string(address));
  return bridges;
}

json render_resource(const sysfs::Resource& resource) {
  return {{"index", resource.index},
          {"address", resource.unassigned ? json(nullptr) : json(hex_text(resource.start))},
          {"size", resource.size},
          {"type", resource.io ? "io" : "memory"},
          {"prefetchable", resource.prefetchable},
          {"bits", resource.is_64bit ? 64 : 32},
          {"flags", hex_text(resource.flags)}};
}

std::map<std::string, std::string> contents(const handoff::Attributes& attributes) {
  std::map<std::string, std::string> found;
  for (const auto& [name, attribute] : attributes) {
    if (attribute.error.empty()) found.emplace(name, attribute.content);
  }
  return found;
}

}  // namespace

json render_facts(const sysfs::Tree& tree, const sysfs::Device& device,
                  const sysfs::Result<handoff::Attributes>& attributes) {
  const auto facts = attributes ? sysfs::facts_from(contents(*attributes)) : sysfs::DeviceFacts{};
  const auto path = device.sysfs_path.substr(std::min<std::size_t>(1, device.sysfs_path.size()));
  return {{"facts_error", attributes ? json(nullptr) : json(attributes.error().message)},
          {"modalias", device.modalias},
          {"enable_count", or_null(sysfs::enable_count_of(tree, device))},
          {"slot", or_null(sysfs::physical_slot(tree, sysfs::to_string(device.address)))},
          {"label", or_null(facts.label)},
          {"firmware_index", or_null(facts.firmware_index)},
          {"upstream", render_upstream(device)},
          {"local_cpus", or_null(facts.local_cpus)},
          {"link", render_link(facts.link)},
          {"power",
           {{"state", or_null(facts.power_state)},
            {"runtime_status", or_null(facts.runtime_status)},
            {"control", or_null(facts.runtime_control)},
            {"d3cold_allowed", or_null(facts.d3cold_allowed)}}},
          {"resettable", sysfs::exists(tree, path + "/reset")},
          {"reset_methods", or_null(facts.reset_methods)},
          {"removable", or_null(facts.removable)},
          {"boot_vga", or_null(facts.boot_vga)},
          {"ari_enabled", or_null(facts.ari_enabled)},
          {"irq", or_null(facts.irq)},
          {"msi_irqs", render_interrupts(sysfs::read_msi_irqs(tree, path))},
          {"dma_mask_bits", or_null(facts.dma_mask_bits)},
          {"aer", render_counters(facts.error_counters)},
          {"sriov", render_sriov(device, facts)},
          {"children", render_children(sysfs::children_of(tree, path))}};
}

json render_resources(const std::vector<sysfs::Resource>& resources, const sysfs::Device& device) {
  json document = {
      {"bars", json::array()}, {"rom", nullptr}, {"vf_bars", json::array()}, {"bridge_windows", json::array()}};
  for (const auto& resource : resources) {
    auto item = render_resource(resource);
    switch (resource.kind) {
      case ResourceKind::Bar: document["bars"].push_back(std::move(item)); break;
      case ResourceKind::Rom: document["rom"] = std::move(item); break;
      case ResourceKind::BridgeWindow: document["bridge_windows"].push_back(std::move(item)); break;
      case ResourceKind::VfBar:
        item["size_per_vf"] =
            device.sriov_totalvfs.value_or(0) > 0 ? json(resource.size / *device.sriov_totalvfs) : json(nullptr);
        document["vf_bars"].push_back(std::move(item));
        break;
    }
  }
  return document;
}

json render_serial(const handoff::ConfigReader::Answer& config) {
  if (!config) return {{"device_serial_number", nullptr}, {"device_serial_number_error", config.error().message}};
  const auto missing = sysfs::missing_reason(*config);
  const bool privilege = missing == sysfs::MissingReason::Privilege;
  return {{"device_serial_number", or_null(sysfs::device_serial_number(*config))},
          {"device_serial_number_error",
           privilege ? json("the extended configuration space could not be read: that needs CAP_SYS_ADMIN")
                     : json(nullptr)}};
}

json render_serial(const std::optional<std::string>& number) {
  return {{"device_serial_number", or_null(number)}, {"device_serial_number_error", nullptr}};
}

json render_vital_product_data(const handoff::ResultOf<handoff::ReadVpd>& answer) {
  if (!answer) {
    const bool absent = answer.error().code == sysfs::ErrorCode::DeviceNotFound;
    return {{"name", nullptr},
            {"fields", json::object()},
            {"problems", json::array()},
            {"error", absent ? "the device has no vital product data" : answer.error().message}};
  }
  const auto data = sysfs::parse_vital_product_data(*answer);
  json fields = json::object();
  for (const auto& [keyword, value] : data.fields) {
    const auto name = sysfs::vital_product_keyword(keyword);
    fields[name.empty() ? keyword : std::string(name)] = value;
  }
  return {{"name", or_null(data.name)}, {"fields", std::move(fields)}, {"problems", data.problems}, {"error", nullptr}};
}

}  // namespace devbindd::api
