#include <nlohmann/json.hpp>

#include "api/change.hpp"
#include "api/handlers.hpp"
#include "api/listing.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/text_table.hpp"

namespace devbindd::api {
namespace {

using handoff::ChangeKind;
using handoff::ChangeRequest;
using nlohmann::json;

// vendor and device as four lower-case hex digits make "8086 10d3".
OrResponse<std::string> id_of(const Request& request, const std::optional<std::string>& vendor,
                              const std::optional<std::string>& device, const std::string& prefix) {
  for (const auto& [name, value] : {std::pair{"vendor", &vendor}, std::pair{"device", &device}}) {
    if (!*value)
      return std::unexpected(bad_request(request, "missing_field", prefix + name,
                                         std::string("\"") + name + "\" is needed: four hex digits"));
    if (!sysfs::id_from(**value))
      return std::unexpected(
          bad_request(request, "invalid_value", prefix + name,
                      std::string("\"") + name + "\" must be four lower-case hex digits, such as 8086"));
  }
  return *vendor + " " + *device;
}

OrResponse<ChangeRequest> read_id_body(const Request& request) {
  auto body = parse_body(request.body);
  if (!body) return std::unexpected(to_response(request, body.error()));
  BodyReader reader(*body);
  auto vendor = reader.string("vendor");
  if (!vendor) return std::unexpected(to_response(request, vendor.error()));
  auto device = reader.string("device");
  if (!device) return std::unexpected(to_response(request, device.error()));
  auto codes = reader.strings("accept_risks", 32);
  if (!codes) return std::unexpected(to_response(request, codes.error()));
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  const auto optional = [](const std::string* text) { return text != nullptr ? std::optional(*text) : std::nullopt; };
  auto id = id_of(request, optional(*vendor), optional(*device), "/");
  if (!id) return std::unexpected(id.error());
  auto accepted = risks(request, *codes, "/accept_risks");
  if (!accepted) return std::unexpected(accepted.error());
  ChangeRequest change;
  change.kind = ChangeKind::AddId;
  change.id = *id;
  change.accept_risks = *accepted;
  return change;
}

OrResponse<ChangeRequest> read_id_query(const Request& request, QueryReader& query) {
  auto vendor = query.one("vendor");
  if (!vendor) return std::unexpected(to_response(request, vendor.error()));
  auto device = query.one("device");
  if (!device) return std::unexpected(to_response(request, device.error()));
  auto id = id_of(request, *vendor, *device, "?");
  if (!id) return std::unexpected(id.error());
  ChangeRequest change;
  change.kind = ChangeKind::RemoveId;
  change.id = *id;
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
    document["changed"] = changed;
    document["operation"] = changed ? json("/v1/operations/" + operation) : json(nullptr);
    respond(json_response(document));
  };
}

void change_id(Context& context, const Request& request, const PathArguments& arguments, ChangeKind kind,
               Respond respond) {
  auto name = driver_parameter(request, arguments[0]);
  if (!name) return respond(std::move(name.error()));
  QueryReader query(request.query);
  auto dry_run = query.flag("dry_run");
  if (!dry_run) return respond(to_response(request, dry_run.error()));
  auto change = kind == ChangeKind::AddId ? read_id_body(request) : read_id_query(request, query);
  if (!change) return respond(std::move(change.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  change->driver = *name;
  submit_change(context, request, std::move(*change), *dry_run, render_id_change(context, request, *name),
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
  QueryReader query(request.query);
  auto wanted = paging(request, query);
  if (!wanted) return respond(std::move(wanted.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
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
  auto name = driver_parameter(request, arguments[0]);
  if (!name) return respond(std::move(name.error()));
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto driver = sysfs::read_driver(context.engine.services().tree, *name);
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
