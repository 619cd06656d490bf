// SPDX-License-Identifier: Apache-2.0
#include "clients/api/targets.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "clients/api/names.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

bool has(const json& names, const std::string& name) {
  return names.is_array() && std::ranges::find(names, json(name)) != names.end();
}

bool is_called(const json& detail, const std::string& name) {
  for (const auto& interface : detail.value("interface_details", json::array()))
    if (interface.value("name", "") == name || has(interface.value("alternative_names", json()), name)) return true;
  for (const auto& child : detail.value("children", json::array()))
    if (child.value("name", "") == name) return true;
  return false;
}

// Those of the devices whose documents have the whole name; what a search finds may have it as a part.
Result<std::vector<std::string>> called(Daemon& daemon, const json& devices, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& device : devices) {
    const auto address = device.value("address", "");
    if (has(device["interfaces"], name)) {
      found.push_back(address);
      continue;
    }
    if (device.value("category", "") == "bridge") continue;
    auto detail = daemon.document("/v1/devices/" + address + "?fields=interface_details,children");
    if (!detail) return std::unexpected(detail.error());
    if (is_called(*detail, name)) found.push_back(address);
  }
  return found;
}

Result<std::string> address_called(Daemon& daemon, const std::string& name) {
  auto devices = daemon.items("/v1/devices?fields=address,interfaces,category&search=" + escaped(name));
  if (!devices) return std::unexpected(devices.error());
  auto found = called(daemon, *devices, name);
  if (!found) return std::unexpected(found.error());
  if (found->size() == 1) return found->front();
  if (found->empty())
    return fail(
        "Nothing on this host is called " + name +
        ": give an address (05:00.0), a network interface (eth0), a disk (nvme0), or the number of an IOMMU group. "
        "`devbindctl status` shows what there is.");
  std::string all;
  for (const auto& address : *found) all += (all.empty() ? "" : ", ") + address;
  return fail("Several devices are called " + name + ": " + all + ". Give the address.");
}

// `kind`: "claim" or "operation".
Result<std::string> whole_id(Daemon& daemon, const std::string& word, const std::string& kind) {
  const auto has_them = "`devbindctl " + kind + "s` has them.";
  const auto id = claim_id(word.substr(word.rfind('/') + 1));
  if (!id) return fail(word + " is no " + kind + ": give its id, or the first eight characters of it. " + has_them);
  if (id->size() == 36) return *id;
  auto all = daemon.items("/v1/" + kind + "s?fields=id");
  if (!all) return std::unexpected(all.error());
  std::vector<std::string> found;
  for (const auto& one : *all)
    if (one.value("id", "").starts_with(*id)) found.push_back(one["id"]);
  if (found.size() == 1) return found.front();
  return fail((found.empty() ? "There is no " + kind + " " : "Several " + kind + "s begin with ") + *id + "; " +
              has_them);
}

}  // namespace

Result<std::string> whole_claim_id(Daemon& daemon, const std::string& word) { return whole_id(daemon, word, "claim"); }

Result<std::string> whole_operation_id(Daemon& daemon, const std::string& word) {
  return whole_id(daemon, word, "operation");
}

Result<Target> target_of(Daemon& daemon, const std::string& word) {
  if (auto address = full_address(word)) return DeviceTarget{*address};
  if (const auto number = group_number(word)) return GroupTarget{*number};
  if (claim_id(word)) {
    auto id = whole_claim_id(daemon, word);
    if (!id) return std::unexpected(id.error());
    return ClaimTarget{*id};
  }
  auto address = address_called(daemon, word);
  if (!address) return std::unexpected(address.error());
  return DeviceTarget{*address};
}

Result<std::string> address_of(Daemon& daemon, const std::string& word) {
  auto target = target_of(daemon, word);
  if (!target) return std::unexpected(target.error());
  if (const auto* device = std::get_if<DeviceTarget>(&*target)) return device->address;
  return fail(word + " is no device: give an address (05:00.0), a network interface or a disk.");
}

Result<std::vector<std::string>> addresses_fitting(Daemon& daemon, const std::string& pattern) {
  auto devices = daemon.items("/v1/devices?fields=address");
  if (!devices) return std::unexpected(devices.error());
  std::vector<std::string> found;
  for (const auto& whole : {pattern, "0000:" + pattern}) {
    for (const auto& device : *devices)
      if (fits_pattern(device["address"], whole)) found.push_back(device["address"]);
    if (!found.empty()) return found;
  }
  return fail("No device fits " + pattern + ".");
}

}  // namespace devbindd::clients
