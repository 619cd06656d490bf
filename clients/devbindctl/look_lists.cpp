// SPDX-License-Identifier: Apache-2.0
// status, claims, operations, audit and policy: lists.
#include <nlohmann/json.hpp>

#include "clients/api/names.hpp"
#include "clients/api/targets.hpp"
#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// The parameters that the options name, as a query.
Result<std::string> with_filters(const Session& session, const std::string& path) {
  std::string target = path;
  for (const auto& word : session.options.filters)
    for (const auto& filter : pairs_in(word)) {
      const auto at = filter.find('=');
      if (at == std::string::npos) return fail("NAME=VALUE is wanted, and not " + filter + ".");
      target +=
          (target.contains('?') ? "&" : "?") + escaped(filter.substr(0, at)) + "=" + escaped(filter.substr(at + 1));
    }
  return target;
}

Outcome list(Session& session, const std::string& target, const Output::Layout& layout, const std::string& nothing) {
  auto pages = session.daemon.pages(target);
  if (!pages) return std::unexpected(pages.error());
  if (session.output.documents(*pages)) return done();
  auto items = json::array();
  for (const auto& page : *pages) append_items(items, page);
  if (items.empty() && session.output.for_person())
    session.output.tell(nothing + "\n");
  else
    session.output.items(items, layout);
  return done();
}

std::string state_of(const json& device) {
  if (!member(device, "operation").empty()) return "changing";
  if (!member(device, "claim").empty()) return "claimed";
  if (!member(device, "cordon").empty()) return "cordoned";
  if (!member(device, "drift").empty()) return "drifted";
  if (device.value("default_route", false)) return "in use";
  return device.value("vfio_bound", false) ? "vfio" : "";
}

Tone tone_of(const json& device) {
  const auto state = state_of(device);
  if (state == "vfio" || state == "claimed") return Tone::Good;
  return state == "in use" || state == "drifted" ? Tone::Warning : Tone::Plain;
}

std::string name_of(const json& device) {
  const auto name = member(device, "device_name");
  return name.empty() ? member(device, "class_name") + " " + member(device, "vendor") + ":" + member(device, "device")
                      : name;
}

const Output::Layout& device_layout() {
  static const Output::Layout layout{
      .columns = {member_column("ADDRESS", "address"),
                  {"DRIVER", [](const json& item) { return member(item, "driver"); }, tone_of},
                  member_column("GROUP", "iommu_group"),
                  {"STATE", state_of, tone_of},
                  member_column("IF", "interfaces"),
                  {"DEVICE", name_of, {}}},
      .wide = {{"ID", [](const json& item) { return member(item, "vendor") + ":" + member(item, "device"); }, {}},
               member_column("CLASS", "class_name"),
               member_column("NUMA", "numa_node"),
               member_column("FITS", "candidates"),
               member_column("NODE", "nodes.group.path"),
               member_column("CLAIM", "claim")},
      .name = "address"};
  return layout;
}

std::string addresses(const json& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ",") + member(item, "address");
  return text;
}

std::string owner_of(const json& claim) {
  const auto named = [&claim](const std::string& names, const std::string& numbers) {
    const auto text = member(claim, "request.owner." + names);
    return text.empty() ? member(claim, "request.owner." + numbers) : text;
  };
  const auto users = named("users", "uids");
  const auto groups = named("groups", "gids");
  return users + (users.empty() || groups.empty() ? "" : " ") + (groups.empty() ? "" : "%" + groups);
}

// To the second: who wants the rest asks for JSON.
Column time_column(const std::string& heading, const std::string& name) {
  return {heading,
          [name](const json& item) {
            const auto time = member(item, name);
            const auto fraction = time.find('.');
            return fraction == std::string::npos ? time : time.substr(0, fraction) + "Z";
          },
          {}};
}

Column short_id_column(const std::string& heading) {
  return {heading, [](const json& item) { return member(item, "id").substr(0, 8); }, {}};
}

std::string labels_of(const json& object) {
  std::string text;
  if (object.contains("labels"))
    for (const auto& [name, value] : object["labels"].items())
      text += (text.empty() ? "" : ",") + name + "=" + plain(value);
  return text;
}

std::string operation_of(const json& entry) {
  const auto path = member(entry, "operation");
  return path.substr(path.rfind('/') + 1).substr(0, 8);
}

std::string asked_for(const json& entry) {
  auto text = member(entry, "request.device");
  if (text.empty()) text = member(entry, "request.devices");
  for (const auto& item : entry["request"].value("items", json::array()))
    text += (text.empty() ? "" : ",") +
            (member(item, "device").empty() ? "group:" + member(item, "iommu_group") : member(item, "device"));
  const auto driver = member(entry, "request.driver");
  return text + (driver.empty() ? "" : " to " + driver);
}

Tone tone_of_operation(const json& item) {
  const auto state = member(item, item.contains("state") ? "state" : "outcome");
  if (state == "succeeded" || state == "active" || state == "released") return Tone::Good;
  return state == "running" ? Tone::Plain : state == "blocked" ? Tone::Warning : Tone::Bad;
}

std::string result_of(const json& operation) {
  const auto error = member(operation, "error.detail");
  return error.empty() ? asked_for(operation) : error;
}

}  // namespace

Outcome status(Session& session) {
  auto target = with_filters(session, "/v1/devices");
  if (!target) return std::unexpected(target.error());
  for (const auto& word : session.options.targets) {
    auto address = address_of(session.daemon, word);
    if (!address) return std::unexpected(address.error());
    *target += (target->contains('?') ? "&" : "?") + std::string("address=") + escaped(*address);
  }
  return list(session, *target, device_layout(), "No device is like that.");
}

Outcome claims(Session& session) {
  auto target = with_filters(session, "/v1/claims");
  if (!target) return std::unexpected(target.error());
  const Output::Layout layout{
      .columns = {short_id_column("CLAIM"),
                  {"STATE", [](const json& item) { return member(item, "state"); }, tone_of_operation},
                  {"OWNER", owner_of, {}},
                  time_column("EXPIRES", "expires_at"),
                  {"DEVICES", [](const json& item) { return addresses(item["devices"]); }, {}}},
      .wide = {member_column("ID", "id"),
               member_column("TOKEN", "fencing_token"),
               {"LABELS", labels_of, {}},
               member_column("REASON", "reason")},
      .name = "id"};
  return list(session, *target, layout, "There are no claims.");
}

Outcome operations(Session& session) {
  if (!session.options.targets.empty()) return show(session);
  auto target = with_filters(session, "/v1/operations");
  if (!target) return std::unexpected(target.error());
  const Output::Layout layout{
      .columns = {short_id_column("ID"),
                  member_column("KIND", "kind"),
                  {"STATE", [](const json& item) { return member(item, "state"); }, tone_of_operation},
                  time_column("BEGAN", "created_at"),
                  {"WHAT", result_of, {}}},
      .wide = {member_column("WHOLE ID", "id"),
               time_column("ENDED", "finished_at"),
               member_column("UID", "requested_by.uid"),
               {"DEVICES", [](const json& item) { return addresses(item["devices"]); }, {}}},
      .name = "id"};
  return list(session, *target, layout, "There are no operations.");
}

Outcome audit(Session& session) {
  std::string target = "/v1/audit";
  if (!session.options.targets.empty()) {
    auto address = address_of(session.daemon, session.options.targets.front());
    if (!address) return std::unexpected(address.error());
    target += "?device=" + escaped(*address);
  }
  const Output::Layout layout{
      .columns = {time_column("AT", "at"),
                  member_column("UID", "requested_by.uid"),
                  member_column("EVENT", "event"),
                  member_column("KIND", "kind"),
                  {"OUTCOME", [](const json& item) { return member(item, "outcome"); }, tone_of_operation},
                  {"WHAT",
                   [](const json& item) {
                     return asked_for(item) +
                            (member(item, "evidence").empty() ? "" : " (" + member(item, "evidence") + ")");
                   },
                   {}}},
      .wide = {member_column("PID", "requested_by.pid"),
               {"OPERATION", operation_of, {}},
               member_column("ACCEPTED", "accepted_risks")},
      .name = "id"};
  return list(session, target, layout, "Nothing has been asked for yet.");
}

Outcome policy(Session& session) {
  const Output::Layout layout{.columns = {member_column("NAME", "name"),
                                          member_column("DRIVER", "driver"),
                                          member_column("SCOPE", "scope"),
                                          {"LABELS", labels_of, {}},
                                          {"DEVICES",
                                           [](const json& item) {
                                             std::string text;
                                             for (const auto& device : item["devices"])
                                               text += (text.empty() ? "" : ", ") + member(device, "address") + " " +
                                                       member(device, "outcome");
                                             return text;
                                           },
                                           {}}},
                              .wide = {member_column("VFS", "vfs"), member_column("EXCLUDE", "exclude")},
                              .name = "name"};
  return list(session, "/v1/policies", layout,
              "There are no policies; /etc/devbindd/devbindd.json has a place for them.");
}

}  // namespace devbindd::clients
