// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_claim.hpp"

#include <nlohmann/json.hpp>

#include "api/render/cdi_names.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using handoff::or_null;
using nlohmann::json;

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

// As a request may say it: one value by itself, several in an array; null for none.
template <class T, class Render>
json alternatives(const handoff::AnyOf<T>& values, const Render& render) {
  json list = json::array();
  for (const auto& value : values.values) list.push_back(render(value));
  return list.size() > 1 ? list : list.empty() ? json(nullptr) : list.front();
}

json operation_or_null(const std::string& id) { return id.empty() ? json(nullptr) : json("/v1/operations/" + id); }

json render_request(const handoff::Claim& claim) {
  const auto& request = claim.request;
  json devices = json::array();
  for (const auto& address : request.devices) devices.push_back(sysfs::to_string(address));
  return {{"devices", std::move(devices)},
          {"selector", request.selector ? render_selector(*request.selector) : json(nullptr)},
          {"driver", request.driver ? request.driver->text() : std::string("auto")},
          {"owner",
           {{"users", request.owner.users},
            {"groups", request.owner.groups},
            {"uids", claim.grantees.uids},
            {"gids", claim.grantees.gids}}},
          {"ttl_seconds", request.ttl ? json(request.ttl->count()) : json(nullptr)},
          {"pid", or_null(request.pid)},
          {"while_connected", request.while_connected},
          {"grace_seconds", request.grace ? json(request.grace->count()) : json(nullptr)},
          {"reset", handoff::name_of(request.reset)},
          {"restore", request.restore},
          {"has_vf_token", !request.vf_token.empty()},
          {"accept_risks", request.accept_risks}};
}

sysfs::Result<json> render_device(Context& context, const handoff::ClaimedDevice& claimed) {
  json document = {
      {"address", sysfs::to_string(claimed.address)},
      {"k8s_name", k8s_name(claimed.address)},
      {"vendor", hex_id(claimed.vendor)},
      {"device", hex_id(claimed.device)},
      {"iommu_group", or_null(claimed.iommu_group)},
      {"companion", claimed.companion},
      {"error_recovery", claimed.error_recovery ? json(handoff::name_of(*claimed.error_recovery)) : json(nullptr)},
      {"reset", claimed.reset ? json(handoff::name_of(*claimed.reset)) : json(nullptr)},
      {"as_claimed", false},
      {"driver", nullptr},
      {"sysfs_path", nullptr},
      {"nodes", {{"group", nullptr}, {"device", nullptr}}}};
  const auto* device = context.engine.services().inventory.find(claimed.address);
  if (device == nullptr) return document;
  auto nodes = vfio::nodes_of(context.engine.services().tree, *device);
  if (!nodes) return std::unexpected(nodes.error());
  document["as_claimed"] = handoff::is_as_claimed(claimed, device);
  document["driver"] = device->driver ? json(device->driver->text()) : json(nullptr);
  document["sysfs_path"] = device->sysfs_path;
  if (nodes->group) document["nodes"]["group"] = to_json(*nodes->group);
  if (nodes->cdev) document["nodes"]["device"] = to_json(*nodes->cdev);
  return document;
}

// What nobody could use is not handed over as if it were there.
std::unexpected<sysfs::Error> not_as_claimed(const handoff::ClaimedDevice& claimed, const sysfs::Device* device) {
  const auto name = sysfs::to_string(claimed.address);
  std::string now = "is gone";
  if (device != nullptr)
    now = "has " + (device->driver ? "the driver " + device->driver->text() : "no driver") + " now";
  if (device != nullptr && handoff::is_another(claimed, *device)) now = "is another device than the claim's";
  return sysfs::fail(sysfs::ErrorCode::NodeNotFound,
                     name + " " + now + ": somebody has taken it from the claim. Release the claim and make another.");
}

// As it was told first, unless the clock has been set since.
json render_expiry(const handoff::Claim& claim) {
  const auto left = handoff::time_left(claim);
  if (!left) return nullptr;
  const auto ends = std::chrono::system_clock::now() + *left;
  const bool told = claim.expires_at && std::chrono::abs(*claim.expires_at - ends) < std::chrono::seconds(1);
  return handoff::rfc3339(told ? *claim.expires_at : ends);
}

}  // namespace

json render_selector(const handoff::Selector& selector) {
  const auto text = [](const std::string& value) { return json(value); };
  const auto id = [](std::uint16_t value) { return json(hex_id(value)); };
  const auto number = [](const std::optional<unsigned>& value) { return value ? json(*value) : json("none"); };
  const auto address = [](const sysfs::PciAddress& value) { return json(sysfs::to_string(value)); };
  const auto physical = [](const auto& value) { return value ? json(sysfs::to_string(*value)) : json("none"); };
  return {{"vendor", alternatives(selector.vendor, id)},
          {"device", alternatives(selector.device, id)},
          {"subsystem_vendor", alternatives(selector.subsystem_vendor, id)},
          {"subsystem_device", alternatives(selector.subsystem_device, id)},
          {"class", alternatives(selector.class_prefix, text)},
          {"category", alternatives(selector.category, text)},
          {"driver", alternatives(selector.driver, text)},
          {"numa_node", alternatives(selector.numa_node, number)},
          {"iommu_group", alternatives(selector.iommu_group, number)},
          {"physfn", alternatives(selector.physfn, physical)},
          {"address", alternatives(selector.address, address)},
          {"label", text_or_null(selector.label)},
          {"link_speed", or_null(selector.link_speed)},
          {"same_switch", selector.same_switch},
          {"labels", selector.labels},
          {"count", selector.count}};
}

sysfs::Result<json> render_claim(Context& context, const handoff::Claim& claim) {
  if (auto known = context.engine.current(); !known) return std::unexpected(known.error());
  json devices = json::array();
  Handover named{.claim = claim.id, .devices = {}, .companions = {}, .iommufd = false};
  for (const auto& claimed : claim.devices) {
    auto device = render_device(context, claimed);
    if (!device) return std::unexpected(device.error());
    devices.push_back(std::move(*device));
    if (!claimed.companion) named.devices.emplace_back().address = claimed.address;
  }
  json holders = json::array();
  for (const auto& holder : claim.holders) holders.push_back(handoff::to_json(holder));
  return json{{"id", claim.id},
              {"state", handoff::name_of(claim.state)},
              {"reason", text_or_null(claim.reason)},
              {"created_at", handoff::rfc3339(claim.created_at)},
              {"expires_at", render_expiry(claim)},
              {"fencing_token", claim.fencing_token},
              {"requested_by", handoff::to_json(claim.requester)},
              {"request", render_request(claim)},
              {"labels", claim.request.labels},
              {"devices", std::move(devices)},
              {"cdi_names", cdi_names(named)},
              {"operation", operation_or_null(claim.operation)},
              {"release_operation", operation_or_null(claim.release_operation)},
              {"holders", std::move(holders)}};
}

sysfs::Result<Handover> handover_of(handoff::Engine& engine, const handoff::Claim& claim) {
  if (auto known = engine.current(); !known) return std::unexpected(known.error());
  const auto& services = engine.services();
  Handover handover{
      .claim = claim.id, .devices = {}, .companions = {}, .iommufd = sysfs::exists(services.tree, "dev/iommu")};
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    if (device == nullptr && claimed.companion) continue;
    if (!handoff::is_as_claimed(claimed, device)) return not_as_claimed(claimed, device);
    auto nodes = vfio::nodes_of(services.tree, *device);
    if (!nodes) return std::unexpected(nodes.error());
    if (!nodes->group && !nodes->cdev)
      return sysfs::fail(sysfs::ErrorCode::NodeNotFound,
                         "there is no node below /dev/vfio for " + sysfs::to_string(claimed.address));
    HandedDevice handed{.address = claimed.address,
                        .vendor = claimed.vendor,
                        .device = claimed.device,
                        .driver = claimed.driver,
                        .iommu_group = claimed.iommu_group,
                        .no_iommu = nodes->group && nodes->group->path.find("noiommu") != std::string::npos,
                        .numa_node = {},
                        .group_node = nodes->group ? nodes->group->path : std::string{},
                        .device_node = nodes->cdev ? nodes->cdev->path : std::string{},
                        .sysfs_path = device->sysfs_path,
                        .resource_name = "vfio",
                        .virtual_function = device->physfn.has_value()};
    if (device->numa_node) handed.numa_node = static_cast<int>(*device->numa_node);
    (claimed.companion ? handover.companions : handover.devices).push_back(std::move(handed));
  }
  return handover;
}

json render_dma_memory(const handoff::DmaMemoryAnswer& answer) {
  const auto& process = answer.process;
  return {
      {"pid", answer.pid},
      {"command", process.command},
      {"uid", process.uid},
      {"way", handoff::name_of(answer.way)},
      {"needed_bytes", answer.needed},
      {"soft_limit_bytes", or_null(process.limit.soft)},
      {"hard_limit_bytes", or_null(process.limit.hard)},
      {"locked_bytes", process.locked},
      {"may_exceed", process.may_exceed},
      {"suffices", answer.suffices},
      {"raised", answer.raised},
      {"next_step", answer.suffices ? json(nullptr)
                                    : json("Give the consumer LimitMEMLOCK=" + std::to_string(answer.needed) +
                                           " or infinity (systemd), memlock in limits.conf, or CAP_IPC_LOCK; or ask "
                                           "with \"raise\": true.")}};
}

}  // namespace devbindd::api
