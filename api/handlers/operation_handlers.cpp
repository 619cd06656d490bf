// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

const std::vector<Column>& operation_columns() {
  static const std::vector<Column> list = {
      {"CREATED", [](const json& operation) { return plain(operation["created_at"]); }},
      {"STATE", [](const json& operation) { return plain(operation["state"]); }},
      {"ID", [](const json& operation) { return plain(operation["id"]); }},
      {"DEVICES (driver before -> after)", [](const json& operation) {
         std::string text;
         for (const auto& device : operation["devices"]) {
           const auto before = plain(device["driver_before"]);
           const auto after = plain(device["driver_after"]);
           text += (text.empty() ? "" : ", ") + plain(device["address"]) + " (" + (before.empty() ? "none" : before) +
                   " -> " + (after.empty() ? "none" : after) + ")";
         }
         return text;
       }}};
  return list;
}

sysfs::Result<std::optional<json>> operation_item(Context& context, const std::string& id) {
  const auto operation = context.engine.operations().find(id);
  if (!operation) return std::nullopt;  // newer ones have taken its place
  return std::optional(handoff::to_json(**operation));
}

}  // namespace

void list_operations(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto state = query.one("state");
  const auto wanted_state = handoff::operation_state_named(state.value_or(""));
  if (state && !wanted_state)
    query.wrong("state", "'state' must be running, blocked, succeeded, failed or interrupted");
  auto wanted = paging(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  Listing listing{.keys = context.engine.operations().ids(wanted_state),
                  .render = [&context](const std::string& id) { return operation_item(context, id); },
                  .columns = operation_columns()};
  answer_list(context, request, std::move(listing), std::move(wanted), std::move(respond));
}

void get_operation(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  const auto operation = context.engine.operations().find(arguments[0]);
  if (!operation) return respond(problem_of(request, operation.error()));
  respond(json_response(handoff::to_json(**operation)));
}

}  // namespace devbindd::api
