#include <nlohmann/json.hpp>

#include "api/change.hpp"
#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "sysfs/fields.hpp"

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;

constexpr std::size_t max_risks = 32;

// The bindings of `addresses`, read now. A device that vanished since is left out.
void read_bindings(Context& context, const Request& request, std::vector<sysfs::PciAddress> addresses,
                   std::function<void(std::vector<json>)> done, Respond respond) {
  context.engine.overrides().read(addresses, [&context, request, addresses, done = std::move(done),
                                              respond](const handoff::OverrideAnswers& answers) {
    auto inventory = context.engine.current();
    if (!inventory) return respond(problem_of(request, inventory.error()));
    std::vector<json> bindings;
    for (const auto& address : addresses) {
      const auto* device = (*inventory)->find(address);
      if (device == nullptr) continue;
      auto binding = render_binding(context, *device, answers.at(address));
      if (!binding) return respond(problem_of(request, binding.error()));
      bindings.push_back(std::move(*binding));
    }
    done(std::move(bindings));
  });
}

std::vector<sysfs::PciAddress> changed_devices(Context& context, const std::string& operation,
                                               const sysfs::PciAddress& target) {
  std::vector<sysfs::PciAddress> addresses{target};
  const auto document = context.engine.document(operation);
  if (!document || !document->contains("devices")) return addresses;
  for (const auto& device : (*document)["devices"]) {
    const auto address = sysfs::parse_pci_address(device["address"].get<std::string>());
    if (address && *address != target) addresses.push_back(*address);
  }
  return addresses;
}

// The answer to a change of one device: its binding now, and with it those of the other devices that were changed.
RenderResult render_bindings(Context& context, const Request& request, const sysfs::PciAddress& target) {
  return [&context, request, target](bool changed, const std::string& operation, const Respond& respond) {
    const auto addresses = changed ? changed_devices(context, operation, target) : std::vector{target};
    read_bindings(
        context, request, addresses,
        [request, changed, operation, respond](std::vector<json> bindings) {
          if (bindings.empty())
            return respond(problem_of(
                request, sysfs::Error{sysfs::ErrorCode::DeviceGone, "the device vanished after it was changed"}));
          json document = bindings.front();
          document["changed"] = changed;
          document["operation"] = changed ? json("/v1/operations/" + operation) : json(nullptr);
          document["devices"] = bindings;
          respond(json_response(document));
        },
        respond);
  };
}

OrResponse<bool> dry_run_parameter(const Request& request, QueryReader& query) {
  auto dry_run = query.flag("dry_run");
  if (!dry_run) return std::unexpected(to_response(request, dry_run.error()));
  return *dry_run;
}

// One of the four-digit IDs that identify a device.
OrResponse<std::optional<std::uint16_t>> id_value(const Request& request, const std::string* text,
                                                  const std::string& pointer) {
  if (text == nullptr) return std::nullopt;
  const auto value = sysfs::number_from<std::uint16_t>(*text, 16);
  if (!value || text->size() != 4) {
    return std::unexpected(
        bad_request(request, "invalid_value", pointer, "an ID is four lower-case hex digits, such as 8086"));
  }
  return value;
}

// `text_of` gives the text of a member, or nullptr; `prefix` and its name make the pointer.
template <class TextOf>
OrResponse<handoff::Identity> read_identity(const Request& request, const std::string& prefix, TextOf text_of) {
  handoff::Identity identity;
  for (const auto& [name, member] :
       {std::pair("vendor", &handoff::Identity::vendor), std::pair("device", &handoff::Identity::device),
        std::pair("subsystem_vendor", &handoff::Identity::subsystem_vendor),
        std::pair("subsystem_device", &handoff::Identity::subsystem_device)}) {
    auto text = text_of(name);
    if (!text) return std::unexpected(text.error());
    auto value = id_value(request, *text ? &**text : nullptr, prefix + name);
    if (!value) return std::unexpected(value.error());
    identity.*member = *value;
  }
  auto serial = text_of("serial");
  if (!serial) return std::unexpected(serial.error());
  identity.serial = *serial;
  return identity;
}

using MaybeText = std::optional<std::string>;

// "expect": {"vendor": "8086", ...} of a body
OrResponse<handoff::Identity> read_expect(const Request& request, BodyReader& body) {
  const auto* object = body.find("expect");
  if (object == nullptr) return handoff::Identity{};
  if (!object->is_object())
    return std::unexpected(bad_request(request, "invalid_value", "/expect", "\"expect\" must be an object"));
  BodyReader reader(*object);
  auto identity = read_identity(request, "/expect/", [&](const char* name) -> OrResponse<MaybeText> {
    auto text = reader.string(name);
    if (!text)
      return std::unexpected(
          bad_request(request, text.error().code, "/expect" + text.error().pointer, text.error().detail));
    return *text != nullptr ? MaybeText(**text) : std::nullopt;
  });
  if (!identity) return identity;
  if (auto done = reader.finish(); !done)
    return std::unexpected(
        bad_request(request, done.error().code, "/expect" + done.error().pointer, done.error().detail));
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

// {"driver": NAME or null, "scope": ..., "method": ..., "accept_risks": [...], "expect": {...}}
OrResponse<ChangeRequest> read_binding_request(const Request& request, const sysfs::PciAddress& address) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  ChangeRequest change;
  change.address = address;
  const auto* driver = reader.find("driver");
  if (driver == nullptr)
    return std::unexpected(bad_request(request, "missing_field", "/driver",
                                       "the body needs \"driver\": a driver's name, or null to unbind"));
  auto scope = reader.string("scope");
  if (!scope) return std::unexpected(to_response(request, scope.error()));
  auto method = reader.string("method");
  if (!method) return std::unexpected(to_response(request, method.error()));
  auto codes = reader.strings("accept_risks", max_risks);
  if (!codes) return std::unexpected(to_response(request, codes.error()));
  auto expected = read_expect(request, reader);
  if (!expected) return std::unexpected(expected.error());
  change.expect = std::move(*expected);
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  auto accepted = risks(request, *codes, "/accept_risks");
  if (!accepted) return std::unexpected(accepted.error());
  change.accept_risks = *accepted;
  if (*scope != nullptr) {
    auto named = scope_named(request, **scope, "/scope");
    if (!named) return std::unexpected(named.error());
    change.scope = *named;
  }
  if (*method != nullptr && **method != "driver_override" && **method != "new_id") {
    return std::unexpected(
        bad_request(request, "invalid_value", "/method", "the method must be \"driver_override\" or \"new_id\""));
  }
  if (*method != nullptr && **method == "new_id") change.method = handoff::Method::NewId;
  if (driver->is_null()) {
    if (*method != nullptr)
      return std::unexpected(
          bad_request(request, "invalid_value", "/method", "an unbind (\"driver\": null) has no method"));
    change.kind = ChangeKind::Unbind;
    return change;
  }
  const auto* name = driver->get_ptr<const std::string*>();
  auto parsed = name != nullptr
                    ? sysfs::DriverName::parse(*name)
                    : sysfs::fail(sysfs::ErrorCode::InvalidName, "\"driver\" must be a driver's name or null");
  if (!parsed) return std::unexpected(bad_request(request, "invalid_value", "/driver", parsed.error().message));
  change.driver = *parsed;
  return change;
}

// scope and accept_risks of a request without body.
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

void change_without_body(Context& context, const Request& request, const PathArguments& arguments, ChangeKind kind,
                         Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  auto dry_run = dry_run_parameter(request, query);
  if (!dry_run) return respond(std::move(dry_run.error()));
  auto change = read_bodyless(request, query, *address, kind);
  if (!change) return respond(std::move(change.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  submit_change(context, request, std::move(*change), *dry_run, render_bindings(context, request, *address),
                std::move(respond));
}

// {"driver": NAME, "expect": {...}}
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

using ReadBody = OrResponse<ChangeRequest> (*)(const Request&, const sysfs::PciAddress&);

void change_with_body(Context& context, const Request& request, const PathArguments& arguments, ReadBody read,
                      Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  auto dry_run = dry_run_parameter(request, query);
  if (!dry_run) return respond(std::move(dry_run.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto change = read(request, *address);
  if (!change) return respond(std::move(change.error()));
  submit_change(context, request, std::move(*change), *dry_run, render_bindings(context, request, *address),
                std::move(respond));
}

}  // namespace

void get_binding(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  read_bindings(
      context, request, {*address},
      [request, address = *address, respond](const std::vector<json>& bindings) {
        if (!bindings.empty()) return respond(json_response(bindings.front()));
        respond(problem_of(request, sysfs::Error{sysfs::ErrorCode::DeviceNotFound,
                                                 "there is no PCI device at " + sysfs::to_string(address)}));
      },
      respond);
}

void put_binding(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_with_body(context, request, arguments, read_binding_request, std::move(respond));
}

void delete_binding(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_without_body(context, request, arguments, ChangeKind::Restore, std::move(respond));
}

void put_driver_override(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_with_body(context, request, arguments, read_override_request, std::move(respond));
}

void delete_driver_override(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_without_body(context, request, arguments, ChangeKind::ClearOverride, std::move(respond));
}

}  // namespace devbindd::api
