// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <nlohmann/json.hpp>

#include "api/handlers/change.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "api/requests/selector_fields.hpp"

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;

constexpr std::array id_names = {"vendor", "device"};

std::string needed(const std::string& name) { return "\"" + name + "\" is needed: four hex digits"; }

// Both make "8086 10d3", as new_id and remove_id take them.
void add_to(std::string& id, std::uint16_t number) { id += (id.empty() ? "" : " ") + hex_id(number); }

ChangeRequest read_id_body(const Request& request, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  ChangeRequest change;
  change.kind = ChangeKind::AddId;
  for (const std::string name : id_names) {
    const auto* text = body.string(name);
    const auto number = text != nullptr ? id_named(*text) : std::nullopt;
    if (!document.contains(name)) body.missing(name, needed(name));
    if (text != nullptr && !number) body.wrong(name, std::string(id_rule));
    add_to(change.id, number.value_or(0));
  }
  change.accept_risks = risks(body);
  body.finish();
  return change;
}

ChangeRequest read_id_query(QueryReader& query) {
  ChangeRequest change;
  change.kind = ChangeKind::RemoveId;
  for (const std::string name : id_names) {
    const auto text = query.one(name);
    const auto number = text ? id_named(*text) : std::nullopt;
    if (!text) query.mistakes().add("missing_field", "?" + name, needed(name));
    if (text && !number) query.wrong(name, std::string(id_rule));
    add_to(change.id, number.value_or(0));
  }
  return change;
}

const std::vector<Column>& driver_columns() {
  static const std::vector<Column> list = {
      {"DRIVER", [](const json& driver) { return plain(driver["name"]); }},
      {"MODULE", [](const json& driver) { return plain(driver["module"]); }},
      {"VFIO", [](const json& driver) { return std::string(driver["vfio"] ? "yes" : "no"); }},
      {"DEVICES", [](const json& driver) { return plain(driver["devices"]); }}};
  return list;
}

RenderResult render_id_change(Context& context, const Request& request, const sysfs::DriverName& name) {
  return [&context, request, name](bool changed, const std::string& operation, const Respond& respond) {
    auto driver = sysfs::read_driver(context.engine.services().tree, name);
    if (!driver) return respond(problem_of(request, driver.error()));
    auto document = render_driver(*driver);
    document["dry_run"] = false;
    document["changed"] = changed;
    document["operation"] = changed ? json("/v1/operations/" + operation) : json(nullptr);
    respond(json_response(document));
  };
}

void change_id(Context& context, const Request& request, const PathArguments& arguments, ChangeKind kind,
               Respond respond) {
  Mistakes mistakes;
  const auto name = driver_parameter(arguments[0], mistakes);
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  auto change = kind == ChangeKind::AddId ? read_id_body(request, mistakes) : read_id_query(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  change.driver = name;
  submit_change(context, request, std::move(change), dry_run, render_id_change(context, request, name),
                std::move(respond));
}

sysfs::Result<std::optional<json>> driver_item(const sysfs::Tree& tree, const std::string& key) {
  const auto name = sysfs::DriverName::parse(key);
  if (!name) return std::unexpected(name.error());
  auto driver = sysfs::read_driver(tree, *name);
  if (!driver && driver.error().code == sysfs::ErrorCode::DriverNotFound) return std::nullopt;  // unloaded meanwhile
  if (!driver) return std::unexpected(driver.error());
  return std::optional(render_driver(*driver));
}

}  // namespace

void list_drivers(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = only_paging(request);
  if (!wanted) return respond(std::move(wanted.error()));
  const auto& tree = context.engine.services().tree;
  auto names = sysfs::list_drivers(tree);
  if (!names) return respond(problem_of(request, names.error()));
  Listing listing{.keys = {},
                  .render = [&tree](const std::string& key) { return driver_item(tree, key); },
                  .columns = driver_columns()};
  for (const auto& name : *names) listing.keys.push_back(name.text());
  answer_list(context, request, std::move(listing), std::move(*wanted), std::move(respond));
}

void get_driver(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  const auto name = driver_parameter(arguments[0], mistakes);
  QueryReader(request.query, mistakes).finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto driver = sysfs::read_driver(context.engine.services().tree, name);
  if (!driver) return respond(problem_of(request, driver.error()));
  respond(json_response(render_driver(*driver)));
}

void post_driver_id(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_id(context, request, arguments, ChangeKind::AddId, std::move(respond));
}

void delete_driver_id(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  change_id(context, request, arguments, ChangeKind::RemoveId, std::move(respond));
}

}  // namespace devbindd::api
