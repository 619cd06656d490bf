// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/claim_document.hpp"

#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"
#include "handoff/journal/json_values.hpp"
#include "handoff/journal/operation_document.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;

json to_value(const sysfs::PciAddress& address) { return sysfs::to_string(address); }
template <class T>
json to_value(const T& value) {
  return value;
}
template <class T>
json to_value(const std::optional<T>& value) {
  return value ? to_value(*value) : json(nullptr);
}

template <class T>
json to_json(const AnyOf<T>& alternatives) {
  json list = json::array();
  for (const auto& value : alternatives.values) list.push_back(to_value(value));
  return list;
}

json to_json(const Selector& selector) {
  return {{"vendor", to_json(selector.vendor)},
          {"device", to_json(selector.device)},
          {"subsystem_vendor", to_json(selector.subsystem_vendor)},
          {"subsystem_device", to_json(selector.subsystem_device)},
          {"class", to_json(selector.class_prefix)},
          {"category", to_json(selector.category)},
          {"driver", to_json(selector.driver)},
          {"numa_node", to_json(selector.numa_node)},
          {"iommu_group", to_json(selector.iommu_group)},
          {"physfn", to_json(selector.physfn)},
          {"address", to_json(selector.address)},
          {"label", selector.label},
          {"link_speed", or_null(selector.link_speed)},
          {"same_switch", selector.same_switch},
          {"labels", selector.labels},
          {"count", selector.count}};
}

json to_json(const NodeOwner& owner) {
  return {{"users", owner.users}, {"groups", owner.groups}, {"uids", owner.uids}, {"gids", owner.gids}};
}

json to_json(const vfio::Grantees& grantees) { return {{"uids", grantees.uids}, {"gids", grantees.gids}}; }

json to_json(const std::optional<std::vector<EarlierAccess>>& earlier) {
  if (!earlier) return nullptr;
  json all = json::array();
  for (const auto& access : *earlier)
    all.push_back({{"path", access.path}, {"inode", access.inode}, {"grantees", to_json(access.grantees)}});
  return all;
}

json to_json(const ClaimedDevice& device) {
  return {{"address", sysfs::to_string(device.address)},
          {"vendor", device.vendor},
          {"device", device.device},
          {"iommu_group", or_null(device.iommu_group)},
          {"driver", device.driver},
          {"companion", device.companion},
          {"error_recovery", device.error_recovery ? json(name_of(*device.error_recovery)) : json(nullptr)},
          {"reset", device.reset ? json(name_of(*device.reset)) : json(nullptr)},
          {"inode", or_null(device.inode)}};
}

// The readers below throw for what does not fit; claim_from() catches that in one place.
template <class T>
std::optional<T> maybe(const json& document, const char* key) {
  const auto& value = document.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

sysfs::PciAddress address_from(const json& value) {
  auto address = sysfs::parse_pci_address(value.get<std::string>());
  if (!address) throw std::invalid_argument(address.error().message);
  return *address;
}

void take(const json& value, sysfs::PciAddress& taken) { taken = address_from(value); }
template <class T>
void take(const json& value, T& taken) {
  value.get_to(taken);
}
template <class T>
void take(const json& value, std::optional<T>& taken) {
  if (!value.is_null()) take(value, taken.emplace());
}

// Journals of 0.1 have one value, null or "" for none.
template <class T>
void take_alternatives(const json& document, const char* key, AnyOf<T>& alternatives) {
  if (!document.contains(key) || document[key].is_null() || document[key] == json("")) return;
  const auto list = document[key].is_array() ? document[key] : json::array({document[key]});
  for (const auto& value : list) take(value, alternatives.values.emplace_back());
}

Selector selector_from(const json& document) {
  Selector selector;
  take_alternatives(document, "vendor", selector.vendor);
  take_alternatives(document, "device", selector.device);
  take_alternatives(document, "subsystem_vendor", selector.subsystem_vendor);
  take_alternatives(document, "subsystem_device", selector.subsystem_device);
  take_alternatives(document, "class", selector.class_prefix);
  take_alternatives(document, "category", selector.category);
  take_alternatives(document, "driver", selector.driver);
  take_alternatives(document, "numa_node", selector.numa_node);
  take_alternatives(document, "iommu_group", selector.iommu_group);
  take_alternatives(document, "physfn", selector.physfn);
  take_alternatives(document, "address", selector.address);
  selector.count = document.at("count");
  if (!document.contains("same_switch")) return selector;  // of a version before these
  selector.label = document.at("label");
  selector.link_speed = maybe<double>(document, "link_speed");
  selector.same_switch = document.at("same_switch");
  if (document.contains("labels")) selector.labels = document.at("labels");
  return selector;
}

ClaimRequest request_from(const json& document) {
  ClaimRequest request;
  for (const auto& address : document.at("devices")) request.devices.push_back(address_from(address));
  if (!document.at("selector").is_null()) request.selector = selector_from(document.at("selector"));
  if (const auto driver = maybe<std::string>(document, "driver")) {
    if (auto name = sysfs::DriverName::parse(*driver)) request.driver = *name;
  }
  const auto& owner = document.at("owner");
  request.owner = {
      .users = owner.at("users"), .groups = owner.at("groups"), .uids = owner.at("uids"), .gids = owner.at("gids")};
  if (const auto ttl = maybe<std::int64_t>(document, "ttl_seconds")) request.ttl = std::chrono::seconds(*ttl);
  request.pid = maybe<std::int32_t>(document, "pid");
  request.while_connected = document.value("while_connected", false);  // journals of 0.1 do not have it
  if (document.contains("grace_seconds")) {                            // journals of 0.1 do not have it
    if (const auto grace = maybe<std::int64_t>(document, "grace_seconds")) request.grace = std::chrono::seconds(*grace);
  }
  request.reset = release_reset_named(document.value("reset", "auto")).value();  // journals of 0.1 do not have it
  request.restore = document.at("restore");
  request.labels = document.at("labels");
  request.vf_token = document.value("vf_token", "");  // journals of 0.1 do not have it
  request.accept_risks = document.at("accept_risks");
  request.idempotency_key = document.at("idempotency_key");
  return request;
}

ClaimedDevice device_from(const json& document) {
  ClaimedDevice device;
  device.address = address_from(document.at("address"));
  device.vendor = document.at("vendor");
  device.device = document.at("device");
  device.iommu_group = maybe<unsigned>(document, "iommu_group");
  device.driver = document.at("driver");
  device.companion = document.at("companion");
  if (document.contains("error_recovery")) {  // journals of 0.1 do not have it
    if (const auto name = maybe<std::string>(document, "error_recovery"))
      device.error_recovery = error_recovery_named(*name);
  }
  if (document.contains("inode")) device.inode = maybe<std::uint64_t>(document, "inode");
  if (document.contains("reset")) {  // journals of 0.1 do not have it
    if (const auto name = maybe<std::string>(document, "reset")) device.reset = reset_outcome_named(*name);
  }
  return device;
}

vfio::Grantees grantees_from(const json& document) {
  return {document.at("uids").get<std::vector<unsigned>>(), document.at("gids").get<std::vector<unsigned>>()};
}

EarlierAccess access_from(const json& document) {
  return {document.at("path"), document.at("inode"), grantees_from(document.at("grantees"))};
}

Claim read(const json& document) {
  Claim claim;
  claim.id = document.at("id");
  claim.boot_id = document.at("boot_id");
  claim.state = claim_state_named(document.at("state").get<std::string>()).value();
  claim.request = request_from(document.at("request"));
  claim.requester = requester_from(document.at("requested_by"));
  claim.created_at = time_from(document.at("created_at").get<std::string>()).value();
  if (const auto expires = maybe<std::string>(document, "expires_at")) claim.expires_at = time_from(*expires);
  if (document.contains("expires_uptime_ms")) {  // journals of 0.1 do not have it
    if (const auto uptime = maybe<std::int64_t>(document, "expires_uptime_ms"))
      claim.expires_uptime = std::chrono::milliseconds(*uptime);
  }
  claim.fencing_token = document.at("fencing_token");
  for (const auto& device : document.at("devices")) claim.devices.push_back(device_from(device));
  for (const auto& transition : document.at("changed")) claim.changed.push_back(transition_from(transition).value());
  if (const auto ttl = maybe<std::int64_t>(document, "renewed_ttl_seconds")) claim.ttl = std::chrono::seconds(*ttl);
  claim.grantees = grantees_from(document.at("grantees"));
  const auto earlier = document.value("earlier_access", json::array());  // journals of 0.1 do not have it
  if (!earlier.is_null()) claim.earlier_access.emplace();
  for (const auto& access : earlier) claim.earlier_access->push_back(access_from(access));
  claim.process_start = document.at("process_start");
  claim.operation = document.at("operation");
  claim.release_operation = document.at("release_operation");
  claim.reason = document.at("reason");
  claim.made = document.value("made", claim.state != ClaimState::Preparing);  // journals of 0.1 do not have it
  if (document.contains("ended_at")) {
    if (const auto ended = maybe<std::string>(document, "ended_at")) claim.ended_at = time_from(*ended);
  }
  claim.cause = document.value("cause", std::string{});  // journals of 0.1 do not have it
  if (document.contains("releasing_since")) {
    if (const auto since = maybe<std::string>(document, "releasing_since")) claim.releasing_since = time_from(*since);
  }
  if (document.contains("releasing_uptime_ms")) {  // journals of 0.1 do not have it
    if (const auto uptime = maybe<std::int64_t>(document, "releasing_uptime_ms"))
      claim.releasing_uptime = std::chrono::milliseconds(*uptime);
  }
  return claim;
}

}  // namespace

json to_json(const ClaimRequest& request) {
  json devices = json::array();
  for (const auto& address : request.devices) devices.push_back(sysfs::to_string(address));
  return {{"devices", std::move(devices)},
          {"selector", request.selector ? to_json(*request.selector) : json(nullptr)},
          {"driver", request.driver ? json(request.driver->text()) : json(nullptr)},
          {"owner", to_json(request.owner)},
          {"ttl_seconds", request.ttl ? json(request.ttl->count()) : json(nullptr)},
          {"pid", or_null(request.pid)},
          {"while_connected", request.while_connected},
          {"grace_seconds", request.grace ? json(request.grace->count()) : json(nullptr)},
          {"reset", name_of(request.reset)},
          {"restore", request.restore},
          {"labels", request.labels},
          {"vf_token", request.vf_token},
          {"accept_risks", request.accept_risks},
          {"idempotency_key", request.idempotency_key}};
}

json to_json(const Claim& claim) {
  json devices = json::array();
  for (const auto& device : claim.devices) devices.push_back(to_json(device));
  json changed = json::array();
  for (const auto& transition : claim.changed) changed.push_back(to_json(transition));
  return {{"id", claim.id},
          {"boot_id", claim.boot_id},
          {"state", name_of(claim.state)},
          {"request", to_json(claim.request)},
          {"requested_by", to_json(claim.requester)},
          {"created_at", rfc3339(claim.created_at)},
          {"expires_at", claim.expires_at ? json(rfc3339(*claim.expires_at)) : json(nullptr)},
          {"expires_uptime_ms", claim.expires_uptime ? json(claim.expires_uptime->count()) : json(nullptr)},
          {"fencing_token", claim.fencing_token},
          {"devices", std::move(devices)},
          {"changed", std::move(changed)},
          {"renewed_ttl_seconds", claim.ttl ? json(claim.ttl->count()) : json(nullptr)},
          {"grantees", to_json(claim.grantees)},
          {"earlier_access", to_json(claim.earlier_access)},
          {"process_start", claim.process_start},
          {"operation", claim.operation},
          {"release_operation", claim.release_operation},
          {"reason", claim.reason},
          {"cause", claim.cause},
          {"made", claim.made},
          {"ended_at", claim.ended_at ? json(rfc3339(*claim.ended_at)) : json(nullptr)},
          {"releasing_since", claim.releasing_since ? json(rfc3339(*claim.releasing_since)) : json(nullptr)},
          {"releasing_uptime_ms", claim.releasing_uptime ? json(claim.releasing_uptime->count()) : json(nullptr)}};
}

std::optional<Claim> claim_from(const json& document) {
  try {
    return read(document);
  } catch (const std::exception&) {  // a journal of another version, or a damaged one
    return std::nullopt;
  }
}

bool same_request(const ClaimRequest& left, const ClaimRequest& right) { return to_json(left) == to_json(right); }

}  // namespace devbindd::handoff
