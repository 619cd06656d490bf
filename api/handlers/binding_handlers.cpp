// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/bindings.hpp"
#include "api/handlers/change.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render.hpp"
#include "api/requests/binding_request.hpp"
#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;

// The devices of an operation; of `asked_for` they are told first.
std::vector<sysfs::PciAddress> changed_devices(const handoff::Operation* operation,
                                               const std::vector<sysfs::PciAddress>& asked_for) {
  auto addresses = asked_for;
  if (operation == nullptr) return addresses;
  for (const auto& transition : operation->transitions) {
    const auto& address = transition.address;
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

// The answer to a change: the bindings of its devices now. That of one device has the device's own binding on top.
RenderResult render_bindings(Context& context, const Request& request, std::vector<sysfs::PciAddress> asked_for,
                             bool one_device) {
  return [&context, request, asked_for = std::move(asked_for), one_device](bool changed, const std::string& operation,
                                                                           const Respond& respond) {
    const auto record = operation.empty() ? nullptr : context.engine.operations().find(operation).value_or(nullptr);
    read_bindings(
        context, request, changed_devices(record.get(), asked_for),
        [request, one_device, changed, operation,
         evidence = record == nullptr ? json::array() : handoff::to_json(record->evidence),
         respond](std::vector<json> bindings) {
          if (bindings.empty())
            return respond(problem_of(
                request, sysfs::Error{sysfs::ErrorCode::DeviceGone, "the device vanished after it was changed"}));
          json document = one_device ? bindings.front() : json::object();
          document["dry_run"] = false;
          document["changed"] = changed;
          document["operation"] = changed ? json("/v1/operations/" + operation) : json(nullptr);
          document["evidence"] = evidence;  // what it went ahead with: warnings, and risks that were accepted
          document["devices"] = std::move(bindings);
          respond(json_response(document));
        },
        respond);
  };
}

void change_without_body(Context& context, const Request& request, const PathArguments& arguments, ChangeKind kind,
                         Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  auto change = read_bodyless(query, address, kind);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  submit_change(context, request, std::move(change), dry_run, render_bindings(context, request, {address}, true),
                std::move(respond));
}

using ReadBody = ChangeRequest (*)(const nlohmann::json&, const sysfs::PciAddress&, Mistakes&);

void change_with_body(Context& context, const Request& request, const PathArguments& arguments, ReadBody read,
                      Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  query.finish();
  auto change = read(body_of(request, mistakes), address, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  submit_change(context, request, std::move(change), dry_run, render_bindings(context, request, {address}, true),
                std::move(respond));
}

}  // namespace

void get_binding(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
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

void post_bindings(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  query.finish();
  const auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  auto change = read_transaction(body_of(request, mistakes), **inventory, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  std::vector<sysfs::PciAddress> asked_for;
  for (const auto& item : change.items) asked_for.push_back(*item.address);
  submit_change(context, request, std::move(change), dry_run,
                render_bindings(context, request, std::move(asked_for), false), std::move(respond));
}

void put_driver_override(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_with_body(context, request, arguments, read_override_request, std::move(respond));
}

void delete_driver_override(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_without_body(context, request, arguments, ChangeKind::ClearOverride, std::move(respond));
}

}  // namespace devbindd::api
