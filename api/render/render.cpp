// SPDX-License-Identifier: Apache-2.0
#include "api/render/render.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/render/render_firmware.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/journal/json_values.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/use/network_stack.hpp"
#include "sysfs/use/read_only_mount.hpp"

namespace devbindd::api {
namespace {

using handoff::or_null;
using nlohmann::json;

json name_or_null(const std::optional<sysfs::DriverName>& name) { return name ? json(name->text()) : json(nullptr); }

std::string hex(std::uint64_t value, int digits) {
  std::array<char, 24> text{};
  const int length = std::snprintf(text.data(), text.size(), "%0*llx", digits, static_cast<unsigned long long>(value));
  return {text.data(), static_cast<std::size_t>(length)};
}

json addresses(const std::vector<sysfs::PciAddress>& list) {
  json items = json::array();
  for (const auto& address : list) items.push_back(sysfs::to_string(address));
  return items;
}

sysfs::Result<json> render_nodes(Context& context, const sysfs::Device& device) {
  auto nodes = vfio::nodes_of(context.engine.services().tree, device);
  if (!nodes) return std::unexpected(nodes.error());
  return json{{"group", nodes->group ? to_json(*nodes->group) : json(nullptr)},
              {"device", nodes->cdev ? to_json(*nodes->cdev) : json(nullptr)}};
}

json operation_link(const std::string& id) { return id.empty() ? json(nullptr) : json("/v1/operations/" + id); }

json claim_link(const std::string& id) { return id.empty() ? json(nullptr) : json("/v1/claims/" + id); }

bool carries_default_route(Context& context, const sysfs::Device& device, const sysfs::Routes& routes) {
  return std::ranges::any_of(device.interfaces, [&](const std::string& interface) {
    const auto paths = sysfs::stacked_interfaces(context.engine.services().tree, interface);
    return std::ranges::any_of(paths,
                               [&](const auto& path) { return routes.default_interfaces.contains(path.back()); });
  });
}

json render_original(const handoff::Original& original) {
  return {{"driver", or_null(original.driver)},
          {"driver_override", or_null(original.driver_override)},
          {"vf_settings", or_null(original.vf_settings)},
          {"scope", handoff::name_of(original.scope)},
          {"operation", operation_link(original.operation)}};
}

// Who set an override: devbindd keeps what was there before it touched the device.
json override_owner(const std::optional<std::string>& value, const handoff::Original* original) {
  if (!value) return nullptr;
  const bool ours = original != nullptr && original->driver_override != value;
  return ours ? "devbindd" : "other";
}

json render_reserved(const sysfs::IommuGroup& group, const std::vector<sysfs::DevicePlace>& members,
                     const sysfs::FirmwareDescription& firmware) {
  json list = json::array();
  for (const auto& region : group.reserved_regions) {
    list.push_back({{"start", handoff::hex_text(region.start)},
                    {"end", handoff::hex_text(region.end)},
                    {"kind", region.kind},
                    {"firmware", render_origin(sysfs::origin_of(region, members, firmware))}});
  }
  return list;
}

// Most groups have no region that a table could explain: then no table is read.
const sysfs::FirmwareDescription& firmware_for(Context& context, const sysfs::IommuGroup& group) {
  static const sysfs::FirmwareDescription none;
  if (std::ranges::none_of(group.reserved_regions, sysfs::may_be_of_firmware)) return none;
  auto& cache = context.firmware_cache;
  const auto now = std::chrono::steady_clock::now();
  if (!cache.description || (!cache.complete && now - cache.filled_at > std::chrono::seconds(30))) {
    const auto tables = sysfs::read_acpi_iommu_tables(context.engine.services().tree);
    cache = {.filled_at = now, .complete = tables.complete(), .description = sysfs::describe(tables)};
  }
  return *cache.description;
}

std::vector<sysfs::DevicePlace> places_of(const std::vector<sysfs::Device>& members) {
  std::vector<sysfs::DevicePlace> places;
  for (const auto& member : members) places.push_back(sysfs::place_of(member.sysfs_path));
  return places;
}

// The firmware wants memory that a member can always reach (an RMRR): VFIO then refuses the group, however viable.
bool is_direct_mapped(const sysfs::IommuGroup& group) {
  return std::ranges::any_of(group.reserved_regions, sysfs::keeps_vfio_out);
}

json render_member(const sysfs::Device& member, bool blocks) {
  return {{"address", sysfs::to_string(member.address)},
          {"driver", name_or_null(member.driver)},
          {"bridge", sysfs::is_pci_bridge(member)},
          {"blocks_viability", blocks}};
}

}  // namespace

std::string hex_id(std::uint16_t id) { return hex(id, 4); }

json to_json(const vfio::Node& node) {
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", node.status.mode & 07777U);
  return {{"path", node.path},      {"mode", mode.data()},        {"uid", node.status.uid},
          {"gid", node.status.gid}, {"major", node.status.major}, {"minor", node.status.minor}};
}

const std::vector<std::string>& matching_modules(Context& context, const sysfs::Device& device) {
  auto& cache = context.module_cache;
  const auto now = std::chrono::steady_clock::now();
  if (now - cache.filled_at > std::chrono::seconds(30)) cache = {.filled_at = now, .modules = {}};
  const auto known = cache.modules.find(device.modalias);
  if (known != cache.modules.end()) return known->second;
  return cache.modules[device.modalias] = sysfs::modules_for(context.engine.services().modules, device.modalias);
}

sysfs::Result<sysfs::Routes> current_routes(Context& context) {
  auto& cache = context.route_cache;
  const auto now = context.engine.view().network_generation();
  if (cache.counted == now) return cache.routes;
  auto routes = sysfs::read_routes(context.engine.services().tree);
  if (routes) cache = {.counted = now, .routes = *routes};
  return routes;
}

const std::vector<std::string>& loaded_userspace_drivers(Context& context) {
  const auto& services = context.engine.services();
  auto& cache = context.userspace_drivers;
  const auto now = services.inventory.driver_generation();
  if (cache.counted != now) cache = {.counted = now, .drivers = sysfs::userspace_drivers(services.tree)};
  return cache.drivers;
}

std::vector<std::string> candidate_drivers(Context& context, const sysfs::Device& device) {
  auto candidates = matching_modules(context, device);
  for (const auto& driver : loaded_userspace_drivers(context)) {
    if (std::ranges::find(candidates, driver) == candidates.end()) candidates.push_back(driver);
  }
  if (sysfs::is_pci_bridge(device))
    std::erase_if(candidates, [](const std::string& name) { return name == "vfio-pci"; });
  return candidates;
}

sysfs::Result<json> render_device(Context& context, const sysfs::Device& device, const sysfs::Routes& routes) {
  auto nodes = render_nodes(context, device);
  if (!nodes) return std::unexpected(nodes.error());
  const auto& names = context.names;
  return json{{"address", sysfs::to_string(device.address)},
              {"vendor", hex_id(device.vendor)},
              {"vendor_name", or_null(names.vendor(device.vendor))},
              {"device", hex_id(device.device)},
              {"device_name", or_null(names.device(device.vendor, device.device))},
              {"subsystem_vendor", hex_id(device.subsystem_vendor)},
              {"subsystem_device", hex_id(device.subsystem_device)},
              {"class", hex(device.class_code, 6)},
              {"class_name", or_null(names.class_name(device.class_code))},
              {"category", sysfs::category(device)},
              {"revision", hex(device.revision, 2)},
              {"driver", name_or_null(device.driver)},
              {"module", or_null(device.module)},
              {"candidates", candidate_drivers(context, device)},
              {"iommu_group", or_null(device.iommu_group)},
              {"numa_node", or_null(device.numa_node)},
              {"interfaces", device.interfaces},
              {"default_route", carries_default_route(context, device, routes)},
              {"physfn", device.physfn ? json(sysfs::to_string(*device.physfn)) : json(nullptr)},
              {"sriov_totalvfs", or_null(device.sriov_totalvfs)},
              {"virtfns", addresses(device.virtfns)},
              {"vfio_bound", sysfs::is_vfio_bound(device)},
              {"nodes", std::move(*nodes)},
              {"sysfs_path", device.sysfs_path},
              {"claim", claim_link(context.engine.claim_of(device))},
              {"cordon", render_cordon(context, device)},
              {"operation", operation_link(context.engine.operations().id_on(device.address))},
              {"drift", render_drift(context, device)}};
}

json render_drift(Context& context, const sysfs::Device& device) {
  const auto left_with = context.engine.originals().left_with(device);
  if (!left_with || !handoff::is_drifted(device, *left_with, context.engine.operations())) return nullptr;
  return {{"expected_driver", or_null(*left_with)}};
}

// Whoever moves the device besides the callers of this API. A /sys that is read-only says that whoever made this
// container moves its devices, and not devbindd.
json render_keepers(Context& context, const sysfs::Device& device) {
  json list = json::array();
  const auto& tree = context.engine.services().tree;
  if (const auto point = sysfs::read_only_sysfs(tree, device))
    list.push_back({{"tool", "host"}, {"path", *point}, {"subject", "read-only"}});
  if (const auto* policy = context.policies.keeper_of(device))
    list.push_back({{"tool", "policy"}, {"path", "/v1/policies"}, {"subject", policy->name}});
  const auto tools = handoff::read_other_tools(tree);
  const auto known = tools.by_device.find(device.address);
  if (known == tools.by_device.end()) return list;
  for (const auto& tool : known->second)
    list.push_back({{"tool", tool.name}, {"path", tool.path}, {"subject", tool.subject}});
  return list;
}

json render_cordon(Context& context, const sysfs::Device& device) {
  const auto* cordon = context.engine.cordons().find(device);
  if (cordon == nullptr) return nullptr;
  return {{"reason", cordon->reason.empty() ? json(nullptr) : json(cordon->reason)},
          {"since", handoff::rfc3339(cordon->since)},
          {"requested_by", handoff::to_json(cordon->requester)}};
}

json render_override(const handoff::OverrideAnswer& driver_override) {
  return {{"driver_override", driver_override ? or_null(*driver_override) : json(nullptr)},
          {"driver_override_error", driver_override ? json(nullptr) : json(driver_override.error().message)}};
}

json render_keeping(Context& context, const sysfs::Device& device, const handoff::OverrideAnswer& driver_override) {
  const auto& originals = context.engine.originals().all();
  const auto original = originals.find(device.address);
  const auto* known =
      original != originals.end() && handoff::same_identity(original->second, device) ? &original->second : nullptr;
  json document = {
      {"driver_override_set_by", driver_override ? override_owner(*driver_override, known) : json(nullptr)},
      {"incomplete_operation", operation_link(context.engine.originals().left_incomplete_by(device.address))},
      {"managed_by", render_keepers(context, device)},
      {"original", known != nullptr ? render_original(*known) : json(nullptr)}};
  document.update(render_override(driver_override));
  return document;
}

sysfs::Result<json> render_binding(Context& context, const sysfs::Device& device,
                                   const handoff::OverrideAnswer& driver_override) {
  auto nodes = render_nodes(context, device);
  if (!nodes) return std::unexpected(nodes.error());
  json document = {{"address", sysfs::to_string(device.address)},
                   {"driver", name_or_null(device.driver)},
                   {"claim", claim_link(context.engine.claim_of(device))},
                   {"cordon", render_cordon(context, device)},
                   {"candidates", candidate_drivers(context, device)},
                   {"iommu_group", or_null(device.iommu_group)},
                   {"nodes", std::move(*nodes)},
                   {"operation", operation_link(context.engine.operations().id_on(device.address))},
                   {"drift", render_drift(context, device)}};
  document.update(render_keeping(context, device, driver_override));
  return document;
}

sysfs::Result<json> render_group(Context& context, const sysfs::IommuGroup& group) {
  const auto members = context.engine.services().inventory.group_members(group.number);
  const auto rule = sysfs::viability_rule(context.engine.services().tree);
  const auto blockers = sysfs::viability_blockers(members, rule);
  json member_list = json::array();
  json blocker_list = json::array();
  json node = nullptr;
  for (const auto& member : members) {
    const bool blocks =
        std::ranges::any_of(blockers, [&](const auto& blocker) { return blocker.address == member.address; });
    member_list.push_back(render_member(member, blocks));
    auto nodes = vfio::nodes_of(context.engine.services().tree, member);
    if (!nodes) return std::unexpected(nodes.error());
    if (nodes->group) node = to_json(*nodes->group);
  }
  for (const auto& blocker : blockers) {
    blocker_list.push_back({{"address", sysfs::to_string(blocker.address)},
                            {"driver", blocker.driver.text()},
                            {"reason", "its driver '" + blocker.driver.text() +
                                           "' uses the device: unbind it or bind it to vfio-pci too"}});
  }
  const auto& firmware = firmware_for(context, group);
  const auto places = places_of(members);
  const auto refusal = sysfs::refusal_of(group, places, firmware);
  return json{{"iommu_group", group.number},
              {"type", or_null(group.type)},
              {"no_iommu", group.no_iommu},
              {"members", std::move(member_list)},
              {"other_members", group.other_members},
              {"viable", blockers.empty()},
              {"viability_rule", rule == sysfs::ViabilityRule::DmaOwnership ? "dma_ownership" : "known_drivers"},
              {"blockers", std::move(blocker_list)},
              {"reserved_regions", render_reserved(group, places, firmware)},
              {"direct_mapped", is_direct_mapped(group)},
              {"refused_because", refusal.empty() ? json(nullptr) : json(refusal)},
              {"node", std::move(node)}};
}

json render_driver(const sysfs::PciDriver& driver) {
  return {{"name", driver.name.text()},
          {"module", or_null(driver.module)},
          {"bindable", driver.bindable},
          {"vfio", sysfs::is_vfio_driver(driver.name)},
          {"devices", addresses(driver.devices)}};
}

}  // namespace devbindd::api
