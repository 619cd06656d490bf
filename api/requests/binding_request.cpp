// SPDX-License-Identifier: Apache-2.0
#include "api/requests/binding_request.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/http/parameters.hpp"
#include "api/requests/selector_fields.hpp"

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;

constexpr std::size_t max_serial = 64;
constexpr std::uint64_t max_functions = 65535;  // the register is 16 bits wide

// `text_of` gives the text of a member; `prefix` and its name make the pointer.
template <class TextOf>
handoff::Identity read_identity(const std::string& prefix, Mistakes& mistakes, TextOf text_of) {
  handoff::Identity identity;
  for (const auto& [name, member] :
       {std::pair("vendor", &handoff::Identity::vendor), std::pair("device", &handoff::Identity::device),
        std::pair("subsystem_vendor", &handoff::Identity::subsystem_vendor),
        std::pair("subsystem_device", &handoff::Identity::subsystem_device)}) {
    const std::optional<std::string> text = text_of(name);
    if (!text) continue;
    identity.*member = id_named(*text);
    if (!(identity.*member)) mistakes.add("invalid_value", prefix + name, std::string(id_rule));
  }
  identity.serial = text_of("serial");
  if (identity.serial && identity.serial->size() > max_serial)
    mistakes.add("invalid_value", prefix + "serial",
                 "a serial number has at most " + std::to_string(max_serial) + " bytes: 00-1b-21-ff-ff-a1-b2-c3");
  return identity;
}

// "expect": {"vendor": "8086", ...} of a body
handoff::Identity read_expect(BodyReader& body) {
  const auto* object = body.object("expect");
  if (object == nullptr) return {};
  BodyReader reader(*object, body.mistakes(), body.pointer("expect"));
  auto identity = read_identity(body.pointer("expect") + "/", body.mistakes(), [&reader](const char* name) {
    const auto* text = reader.string(name);
    return text != nullptr ? std::optional(*text) : std::nullopt;
  });
  reader.finish();
  return identity;
}

// ?expect_vendor=8086&... of a request without body
handoff::Identity read_expect(QueryReader& query) {
  return read_identity("?expect_", query.mistakes(),
                       [&query](const char* name) { return query.one(std::string("expect_") + name); });
}

std::optional<handoff::Scope> read_scope(BodyReader& body) {
  const auto* scope = body.string("scope");
  if (scope == nullptr) return std::nullopt;
  return scope_named(*scope, body.pointer("scope"), body.mistakes());
}

// "driver": NAME or null; null unbinds.
void read_driver(BodyReader& body, const json& driver, ChangeRequest& change) {
  if (driver.is_null()) {
    change.kind = ChangeKind::Unbind;
    return;
  }
  const auto* name = driver.get_ptr<const std::string*>();
  if (name == nullptr) return body.wrong("driver", "\"driver\" must be a driver's name or null");
  auto parsed = sysfs::DriverName::parse(*name);
  if (!parsed) return body.wrong("driver", parsed.error().message);
  change.driver = std::move(*parsed);
}

std::optional<handoff::Method> read_method(BodyReader& body) {
  const auto* method = body.string("method");
  if (method == nullptr) return std::nullopt;
  if (*method == "driver_override") return handoff::Method::DriverOverride;
  if (*method == "new_id") return handoff::Method::NewId;
  body.wrong("method", "the method must be \"driver_override\" or \"new_id\"");
  return std::nullopt;
}

// One of two members must be there, and not both.
void need_one(BodyReader& body, bool first, bool second, const std::string& where, const std::string& rule) {
  if (first == second && first) body.mistakes().add("invalid_value", where, rule);
  if (first == second && !first) body.missing("", rule);
}

// Exactly one of "driver" and "restore": true.
void read_goal(BodyReader& item, const std::string& where, ChangeRequest& change) {
  const auto* driver = item.find("driver");
  const auto* given = item.find("restore");
  const bool restore = item.boolean("restore", false);
  const bool restore_is_wrong = given != nullptr && !given->is_boolean();
  if (!restore_is_wrong)
    need_one(item, driver != nullptr, restore, where,
             "an item needs either \"driver\" (a name, or null to unbind) or \"restore\": true, which gives the device "
             "back");
  if (driver != nullptr) return read_driver(item, *driver, change);
  change.kind = ChangeKind::Restore;
}

void read_device(BodyReader& item, const json& value, const sysfs::Inventory& inventory, ChangeRequest& change) {
  if (!value.is_string()) return item.wrong("device", "\"device\" must be a PCI address");
  const auto address = sysfs::parse_pci_address(value.get<std::string>());
  if (!address) return item.wrong("device", address.error().message);
  change.address = *address;
  if (inventory.find(*address) == nullptr)
    item.mistakes().add(std::string(sysfs::name_of(sysfs::ErrorCode::DeviceNotFound)), item.pointer("device"),
                        "there is no PCI device at " + sysfs::to_string(*address));
}

void read_group(BodyReader& item, const json& value, const sysfs::Inventory& inventory, ChangeRequest& change) {
  constexpr std::uint64_t largest = std::numeric_limits<std::int32_t>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest)
    return item.wrong("iommu_group", "\"iommu_group\" must be the number of an IOMMU group");
  const auto number = value.get<unsigned>();
  const auto members = inventory.group_members(number);
  if (members.empty())
    return item.mistakes().add(std::string(sysfs::name_of(sysfs::ErrorCode::GroupNotFound)),
                               item.pointer("iommu_group"),
                               "there is no IOMMU group " + std::to_string(number) + " with PCI devices");
  const auto endpoint = std::ranges::find_if_not(members, sysfs::is_pci_bridge);
  change.address = endpoint != members.end() ? endpoint->address : members.front().address;
}

ChangeRequest read_item(const json& document, const std::string& pointer, const sysfs::Inventory& inventory,
                        Mistakes& mistakes) {
  ChangeRequest change;
  if (!document.is_object()) {
    mistakes.add("invalid_value", pointer, "an item must be an object");
    return change;
  }
  BodyReader item(document, mistakes, pointer);
  const auto* device = item.find("device");
  const auto* group = item.find("iommu_group");
  need_one(item, device != nullptr, group != nullptr, pointer, "an item needs either \"device\" or \"iommu_group\"");
  read_goal(item, pointer, change);
  const auto scope = read_scope(item);
  if (group != nullptr && scope == handoff::Scope::Device)
    item.wrong("scope", "an IOMMU group is asked for as a whole");
  change.scope = group != nullptr ? handoff::Scope::Group : scope;
  change.expect = read_expect(item);
  item.finish();
  if (device != nullptr) read_device(item, *device, inventory, change);
  if (group != nullptr) read_group(item, *group, inventory, change);
  return change;
}

}  // namespace

ChangeRequest read_binding_request(const json& document, const sysfs::PciAddress& address, Mistakes& mistakes) {
  BodyReader body(document, mistakes);
  ChangeRequest change;
  change.address = address;
  const auto* driver = body.find("driver");
  if (driver == nullptr) body.missing("driver", "the body needs \"driver\": a driver's name, or null to unbind");
  if (driver != nullptr) read_driver(body, *driver, change);
  change.scope = read_scope(body);
  const auto method = read_method(body);
  if (method && change.kind == ChangeKind::Unbind) body.wrong("method", "an unbind (\"driver\": null) has no method");
  change.method = method.value_or(handoff::Method::DriverOverride);
  change.accept_risks = risks(body);
  change.expect = read_expect(body);
  body.finish();
  return change;
}

ChangeRequest read_bodyless(QueryReader& query, const sysfs::PciAddress& address, ChangeKind kind) {
  ChangeRequest change;
  change.kind = kind;
  change.address = address;
  if (kind == ChangeKind::Restore) {
    if (const auto scope = query.one("scope")) change.scope = scope_named(*scope, "?scope", query.mistakes());
  }
  change.accept_risks = risks(query);
  change.expect = read_expect(query);
  return change;
}

ChangeRequest read_override_request(const json& document, const sysfs::PciAddress& address, Mistakes& mistakes) {
  BodyReader body(document, mistakes);
  ChangeRequest change;
  change.kind = ChangeKind::SetOverride;
  change.address = address;
  if (const auto* driver = body.string("driver")) {
    auto name = sysfs::DriverName::parse(*driver);
    if (!name) body.wrong("driver", name.error().message);
    if (name) change.driver = std::move(*name);
  } else if (!document.contains("driver")) {
    body.missing("driver", "the body needs \"driver\": a driver's name; DELETE clears the override");
  }
  change.expect = read_expect(body);
  body.finish();
  return change;
}

ChangeRequest read_sriov_request(const json& document, const sysfs::PciAddress& address, Mistakes& mistakes) {
  BodyReader body(document, mistakes);
  ChangeRequest change;
  change.address = address;
  const auto count = body.number("vfs", 0, max_functions);
  if (!document.contains("vfs"))
    body.missing("vfs", "the body needs \"vfs\": how many virtual functions there are to be");
  const auto* driver = body.find("driver");
  if (driver != nullptr) read_driver(body, *driver, change);
  change.kind = ChangeKind::SetVfs;
  change.functions =
      handoff::VirtualFunctions{.count = static_cast<unsigned>(count.value_or(0)), .kernel_chooses = driver == nullptr};
  if (const auto* token = body.string("vf_token")) {
    if (!is_uuid(*token)) body.wrong("vf_token", "\"vf_token\" must be a UUID");
    change.functions->vf_token = *token;
  }
  const bool autoprobe = body.boolean("drivers_autoprobe", false);
  if (document.contains("drivers_autoprobe")) change.functions->autoprobe = autoprobe;
  change.accept_risks = risks(body);
  change.expect = read_expect(body);
  body.finish();
  return change;
}

ChangeRequest read_transaction(const json& document, const sysfs::Inventory& inventory, Mistakes& mistakes) {
  BodyReader body(document, mistakes);
  ChangeRequest change;
  change.kind = ChangeKind::Transaction;
  change.accept_risks = risks(body);
  const auto* items = body.find("items");
  body.finish();
  if (items == nullptr) {
    body.missing("items", "the body needs \"items\": what is to hold of each device");
    return change;
  }
  if (!items->is_array() || items->empty() || items->size() > handoff::max_items) {
    body.wrong("items", "\"items\" must be an array of 1 to " + std::to_string(handoff::max_items) + " objects");
    return change;
  }
  for (std::size_t at = 0; at < items->size(); ++at)
    change.items.push_back(read_item((*items)[at], "/items/" + std::to_string(at), inventory, mistakes));
  return change;
}

}  // namespace devbindd::api
