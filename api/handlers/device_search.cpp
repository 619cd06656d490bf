// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/device_search.hpp"

#include <algorithm>

#include "api/http/field_text.hpp"
#include "api/render/render.hpp"
#include "sysfs/device/children.hpp"

namespace devbindd::api {
namespace {

// The function that a class device belongs to: the last one on the way to it.
std::optional<sysfs::PciAddress> function_on(const sysfs::Inventory& inventory, std::string_view directory) {
  for (auto end = directory.rfind('/'); end != std::string_view::npos; end = directory.rfind('/')) {
    const auto address = sysfs::parse_pci_address(directory.substr(end + 1));
    if (address && inventory.find(*address) != nullptr) return *address;
    directory = directory.substr(0, end);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> read_search(QueryReader& query) {
  constexpr std::size_t longest = 128;
  auto parts = query.all("search");
  for (auto& part : parts) {
    if (part.empty() || part.size() > longest) query.wrong("search", "a text of 1 to 128 bytes is searched for");
    part = lower(part);
  }
  return parts;
}

DeviceSearch::DeviceSearch(const Context& context, std::vector<std::string> parts, sysfs::AlternativeNames alternatives)
    : parts_(std::move(parts)), alternatives_(std::move(alternatives)) {
  const auto& services = context.engine.services();
  for (const auto& directory :
       sysfs::directories_of_named(services.tree, [this](const std::string& name) { return is_part(name); }))
    if (const auto address = function_on(services.inventory, directory)) by_child_.insert(*address);
}

bool DeviceSearch::is_part(const std::string& text) const {
  return std::ranges::any_of(parts_, [text = lower(text)](const std::string& part) { return text.contains(part); });
}

bool DeviceSearch::has_interface(const sysfs::Device& device) const {
  return std::ranges::any_of(device.interfaces, [this](const std::string& interface) {
    const auto known = alternatives_.find(interface);
    return is_part(interface) ||
           (known != alternatives_.end() &&
            std::ranges::any_of(known->second, [this](const auto& name) { return is_part(name); }));
  });
}

bool DeviceSearch::finds(const sysfs::DeviceNames& names, const sysfs::Device& device) const {
  if (parts_.empty() || by_child_.contains(device.address)) return true;
  const std::vector<std::string> texts = {sysfs::to_string(device.address),
                                          hex_id(device.vendor) + ":" + hex_id(device.device),
                                          names.vendor(device.vendor).value_or(""),
                                          names.device(device.vendor, device.device).value_or(""),
                                          names.class_name(device.class_code).value_or(""),
                                          names.vendor(device.subsystem_vendor).value_or(""),
                                          device.driver ? device.driver->text() : std::string{}};
  return std::ranges::any_of(texts, [this](const std::string& text) { return is_part(text); }) || has_interface(device);
}

}  // namespace devbindd::api
