#include "api/binding_request.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;
using MaybeText = std::optional<std::string>;

constexpr std::size_t max_risks = 32;
constexpr std::size_t max_serial = 64;
constexpr std::uint64_t max_functions = 65535;  // the register is 16 bits wide

// `text_of` gives the text of a member; `prefix` and its name make the pointer.
template <class TextOf>
OrResponse<handoff::Identity> read_identity(const Request& request, const std::string& prefix, TextOf text_of) {
  handoff::Identity identity;
  for (const auto& [name, member] :
       {std::pair("vendor", &handoff::Identity::vendor), std::pair("device", &handoff::Identity::device),
        std::pair("subsystem_vendor", &handoff::Identity::subsystem_vendor),
        std::pair("subsystem_device", &handoff::Identity::subsystem_device)}) {
    auto text = text_of(name);
    if (!text) return std::unexpected(text.error());
    auto value = id_value(request, *text, prefix + name);
    if (!value) return std::unexpected(value.error());
    identity.*member = *value;
  }
  auto serial = text_of("serial");
  if (!serial) return std::unexpected(serial.error());
  if (*serial && (*serial)->size() > max_serial)
    return std::unexpected(
        bad_request(request, "invalid_value", prefix + "serial",
                    "a serial number has at most " + std::to_string(max_serial) + " bytes: 00-1b-21-ff-ff-a1-b2-c3"));
  identity.serial = *serial;
  return identity;
}

// "expect": {"vendor": "8086", ...} of a body
OrResponse<handoff::Identity> read_expect(const Request& request, BodyReader& body) {
  const auto* object = body.find("expect");
  if (object == nullptr) return handoff::Identity{};
  const auto pointer = body.pointer("expect");
  if (!object->is_object())
    return std::unexpected(bad_request(request, "invalid_value", pointer, "\"expect\" must be an object"));
  BodyReader reader(*object, pointer);
  auto identity = read_identity(request, pointer + "/", [&](const char* name) -> OrResponse<MaybeText> {
    auto text = reader.string(name);
    if (!text) return std::unexpected(to_response(request, text.error()));
    return *text != nullptr ? MaybeText(**text) : std::nullopt;
  });
  if (!identity) return identity;
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  return identity;
}

// ?expect_vendor=8086&... of a request without body
OrResponse<handoff::Identity> read_expect(const Request& request, QueryReader& query) {
  return read_identity(request, "?expect_", [&](const char* name) -> OrResponse<MaybeText> {
    auto text = query.one(std::string("expect_") + name);
    if (!text) return std::unexpected(to_response(request, text.error()));
    return *text;
  });
}

OrResponse<std::optional<handoff::Scope>> read_scope(const Request& request, BodyReader& body) {
  auto scope = body.string("scope");
  if (!scope) return std::unexpected(to_response(request, scope.error()));
  if (*scope == nullptr) return std::nullopt;
  auto named = scope_named(request, **scope, body.pointer("scope"));
  if (!named) return std::unexpected(named.error());
  return *named;
}

OrResponse<std::vector<std::string>> read_risks(const Request& request, BodyReader& body) {
  auto codes = body.strings("accept_risks", max_risks);
  if (!codes) return std::unexpected(to_response(request, codes.error()));
  return risks(request, std::move(*codes), body.pointer("accept_risks"));
}

// "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b"
bool is_uuid(const std::string& text) {
  constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(text, shape, [](char character, char place) {
    const bool hex = (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
                     (character >= 'A' && character <= 'F');
    return place == 'x' ? hex : character == place;
  });
}

// "driver": NAME or null; null unbinds.
OrResponse<ChangeRequest> read_driver(const Request& request, const json& driver, const std::string& pointer) {
  ChangeRequest change;
  if (driver.is_null()) {
    change.kind = ChangeKind::Unbind;
    return change;
  }
  const auto* name = driver.get_ptr<const std::string*>();
  auto parsed = name != nullptr
                    ? sysfs::DriverName::parse(*name)
                    : sysfs::fail(sysfs::ErrorCode::InvalidName, "\"driver\" must be a driver's name or null");
  if (!parsed) return std::unexpected(bad_request(request, "invalid_value", pointer, parsed.error().message));
  change.driver = *parsed;
  return change;
}

OrResponse<std::optional<handoff::Method>> read_method(const Request& request, BodyReader& body) {
  auto method = body.string("method");
  if (!method) return std::unexpected(to_response(request, method.error()));
  if (*method == nullptr) return std::nullopt;
  if (**method == "driver_override") return handoff::Method::DriverOverride;
  if (**method == "new_id") return handoff::Method::NewId;
  return std::unexpected(bad_request(request, "invalid_value", body.pointer("method"),
                                     "the method must be \"driver_override\" or \"new_id\""));
}

// Exactly one of "driver" and "restore": true.
OrResponse<ChangeRequest> read_goal(const Request& request, BodyReader& item, const std::string& where) {
  const auto* driver = item.find("driver");
  auto restore = item.boolean("restore", false);
  if (!restore) return std::unexpected(to_response(request, restore.error()));
  if ((driver != nullptr) == *restore) {
    return std::unexpected(bad_request(request, driver != nullptr ? "invalid_value" : "missing_field", where,
                                       "an item needs either \"driver\" (a name, or null to unbind) or "
                                       "\"restore\": true, which gives the device back"));
  }
  if (driver != nullptr) return read_driver(request, *driver, item.pointer("driver"));
  ChangeRequest change;
  change.kind = ChangeKind::Restore;
  return change;
}

// A problem with a code of its own that names the place in the body.
Response problem_at(const Request& request, const std::string& pointer, sysfs::ErrorCode code,
                    const std::string& detail) {
  return problem(request, status_of(code), sysfs::name_of(code), detail,
                 {{"errors", json::array({{{"pointer", pointer}, {"detail", detail}}})}});
}

OrResponse<sysfs::PciAddress> read_device(const Request& request, const json& value, const std::string& pointer,
                                          const sysfs::Inventory& inventory) {
  if (!value.is_string())
    return std::unexpected(bad_request(request, "invalid_value", pointer, "\"device\" must be a PCI address"));
  auto address = sysfs::parse_pci_address(value.get<std::string>());
  if (!address) return std::unexpected(bad_request(request, "invalid_value", pointer, address.error().message));
  if (inventory.find(*address) != nullptr) return *address;
  return std::unexpected(problem_at(request, pointer, sysfs::ErrorCode::DeviceNotFound,
                                    "there is no PCI device at " + sysfs::to_string(*address)));
}

OrResponse<sysfs::PciAddress> read_group(const Request& request, const json& value, const std::string& pointer,
                                         const sysfs::Inventory& inventory) {
  constexpr std::uint64_t largest = std::numeric_limits<std::int32_t>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest)
    return std::unexpected(
        bad_request(request, "invalid_value", pointer, "\"iommu_group\" must be the number of an IOMMU group"));
  const auto number = value.get<unsigned>();
  const auto members = inventory.group_members(number);
  if (members.empty()) {
    return std::unexpected(problem_at(request, pointer, sysfs::ErrorCode::GroupNotFound,
                                      "there is no IOMMU group " + std::to_string(number) + " with PCI devices"));
  }
  const auto endpoint = std::ranges::find_if_not(members, sysfs::is_pci_bridge);
  return endpoint != members.end() ? endpoint->address : members.front().address;
}

OrResponse<ChangeRequest> read_item(const Request& request, const json& document, const std::string& pointer,
                                    const sysfs::Inventory& inventory) {
  if (!document.is_object())
    return std::unexpected(bad_request(request, "invalid_value", pointer, "an item must be an object"));
  BodyReader item(document, pointer);
  const auto* device = item.find("device");
  const auto* group = item.find("iommu_group");
  if ((device == nullptr) == (group == nullptr)) {
    return std::unexpected(bad_request(request, device == nullptr ? "missing_field" : "invalid_value", pointer,
                                       "an item needs either \"device\" or \"iommu_group\""));
  }
  auto change = read_goal(request, item, pointer);
  if (!change) return change;
  auto scope = read_scope(request, item);
  if (!scope) return std::unexpected(scope.error());
  if (group != nullptr && *scope == handoff::Scope::Device) {
    return std::unexpected(
        bad_request(request, "invalid_value", item.pointer("scope"), "an IOMMU group is asked for as a whole"));
  }
  change->scope = group != nullptr ? handoff::Scope::Group : *scope;
  auto expected = read_expect(request, item);
  if (!expected) return std::unexpected(expected.error());
  change->expect = std::move(*expected);
  if (auto done = item.finish(); !done) return std::unexpected(to_response(request, done.error()));
  auto address = device != nullptr ? read_device(request, *device, item.pointer("device"), inventory)
                                   : read_group(request, *group, item.pointer("iommu_group"), inventory);
  if (!address) return std::unexpected(address.error());
  change->address = *address;
  return change;
}

}  // namespace

OrResponse<ChangeRequest> read_binding_request(const Request& request, const sysfs::PciAddress& address) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  const auto* driver = reader.find("driver");
  if (driver == nullptr)
    return std::unexpected(bad_request(request, "missing_field", "/driver",
                                       "the body needs \"driver\": a driver's name, or null to unbind"));
  auto scope = read_scope(request, reader);
  if (!scope) return std::unexpected(scope.error());
  auto method = read_method(request, reader);
  if (!method) return std::unexpected(method.error());
  auto accepted = read_risks(request, reader);
  if (!accepted) return std::unexpected(accepted.error());
  auto expected = read_expect(request, reader);
  if (!expected) return std::unexpected(expected.error());
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  auto change = read_driver(request, *driver, "/driver");
  if (!change) return change;
  if (*method && change->kind == ChangeKind::Unbind) {
    return std::unexpected(
        bad_request(request, "invalid_value", "/method", "an unbind (\"driver\": null) has no method"));
  }
  change->address = address;
  change->scope = *scope;
  change->method = method->value_or(handoff::Method::DriverOverride);
  change->accept_risks = std::move(*accepted);
  change->expect = std::move(*expected);
  return change;
}

OrResponse<ChangeRequest> read_bodyless(const Request& request, QueryReader& query, const sysfs::PciAddress& address,
                                        ChangeKind kind) {
  ChangeRequest change;
  change.kind = kind;
  change.address = address;
  if (kind == ChangeKind::Restore) {
    auto scope = query.one("scope");
    if (!scope) return std::unexpected(to_response(request, scope.error()));
    if (*scope) {
      auto named = scope_named(request, **scope, "?scope");
      if (!named) return std::unexpected(named.error());
      change.scope = *named;
    }
  }
  auto accepted = risks(request, query.all("accept_risks"), "?accept_risks");
  if (!accepted) return std::unexpected(accepted.error());
  change.accept_risks = *accepted;
  auto expected = read_expect(request, query);
  if (!expected) return std::unexpected(expected.error());
  change.expect = std::move(*expected);
  return change;
}

OrResponse<ChangeRequest> read_override_request(const Request& request, const sysfs::PciAddress& address) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  auto driver = reader.string("driver");
  if (!driver) return std::unexpected(to_response(request, driver.error()));
  auto expected = read_expect(request, reader);
  if (!expected) return std::unexpected(expected.error());
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (*driver == nullptr)
    return std::unexpected(bad_request(request, "missing_field", "/driver",
                                       "the body needs \"driver\": a driver's name; DELETE clears the override"));
  auto name = sysfs::DriverName::parse(**driver);
  if (!name) return std::unexpected(bad_request(request, "invalid_value", "/driver", name.error().message));
  ChangeRequest change;
  change.kind = ChangeKind::SetOverride;
  change.address = address;
  change.expect = std::move(*expected);
  change.driver = *name;
  return change;
}

OrResponse<ChangeRequest> read_sriov_request(const Request& request, const sysfs::PciAddress& address) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  const auto* count = reader.find("vfs");
  const auto* driver = reader.find("driver");
  const auto* autoprobe = reader.find("drivers_autoprobe");
  auto token = reader.string("vf_token");
  if (!token) return std::unexpected(to_response(request, token.error()));
  auto accepted = read_risks(request, reader);
  if (!accepted) return std::unexpected(accepted.error());
  auto expected = read_expect(request, reader);
  if (!expected) return std::unexpected(expected.error());
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (*token != nullptr && !is_uuid(**token))
    return std::unexpected(bad_request(request, "invalid_value", "/vf_token", "\"vf_token\" must be a UUID"));
  if (count == nullptr)
    return std::unexpected(bad_request(request, "missing_field", "/vfs",
                                       "the body needs \"vfs\": how many virtual functions there are to be"));
  if (!count->is_number_unsigned() || count->get<std::uint64_t>() > max_functions)
    return std::unexpected(bad_request(request, "invalid_value", "/vfs",
                                       "\"vfs\" must be a number from 0 to " + std::to_string(max_functions)));
  if (autoprobe != nullptr && !autoprobe->is_boolean())
    return std::unexpected(
        bad_request(request, "invalid_value", "/drivers_autoprobe", "\"drivers_autoprobe\" must be true or false"));
  ChangeRequest change;
  if (driver != nullptr) {
    auto goal = read_driver(request, *driver, "/driver");
    if (!goal) return goal;
    change.driver = goal->driver;
  }
  change.kind = ChangeKind::SetVfs;
  change.address = address;
  change.functions = handoff::VirtualFunctions{.count = count->get<unsigned>(), .kernel_chooses = driver == nullptr};
  if (*token != nullptr) change.functions->vf_token = **token;
  if (autoprobe != nullptr) change.functions->autoprobe = autoprobe->get<bool>();
  change.accept_risks = std::move(*accepted);
  change.expect = std::move(*expected);
  return change;
}

OrResponse<ChangeRequest> read_transaction(const Request& request, const sysfs::Inventory& inventory) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  const auto* items = reader.find("items");
  if (items == nullptr) {
    return std::unexpected(
        bad_request(request, "missing_field", "/items", "the body needs \"items\": what is to hold of each device"));
  }
  if (!items->is_array() || items->empty() || items->size() > handoff::max_items) {
    return std::unexpected(
        bad_request(request, "invalid_value", "/items",
                    "\"items\" must be an array of 1 to " + std::to_string(handoff::max_items) + " objects"));
  }
  auto accepted = read_risks(request, reader);
  if (!accepted) return std::unexpected(accepted.error());
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  ChangeRequest change;
  change.kind = ChangeKind::Transaction;
  change.accept_risks = std::move(*accepted);
  for (std::size_t at = 0; at < items->size(); ++at) {
    auto item = read_item(request, (*items)[at], "/items/" + std::to_string(at), inventory);
    if (!item) return item;
    change.items.push_back(std::move(*item));
  }
  return change;
}

}  // namespace devbindd::api
