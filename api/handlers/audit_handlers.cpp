// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/context/aside.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/document_check.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr unsigned default_page = 100;

std::string who(const json& entry) {
  const auto& by = entry["requested_by"];
  return plain(by["transport"]) + (by["uid"].is_null() ? "" : " uid " + plain(by["uid"])) +
         (by["pid"].is_null() ? "" : " pid " + plain(by["pid"]));
}

std::string what(const json& entry) {
  const auto& request = entry["request"];
  const bool of_claim = entry["kind"] == "claim";
  const auto subject = request.find(of_claim ? "claim" : "device");  // a claim that was refused has no name
  auto text = plain(entry["kind"]) + (subject == request.end() ? "" : " " + plain(*subject));
  if (!request["driver"].is_null()) text += " " + plain(request["driver"]);
  if (!entry["accepted_risks"].empty()) text += "; accepted " + plain(entry["accepted_risks"]);
  if (!entry["detail"].is_null()) text += "; " + plain(entry["detail"]);
  return text;
}

const std::vector<Column>& audit_columns() {
  static const std::vector<Column> list = {{"AT", [](const json& entry) { return plain(entry["at"]); }},
                                           {"EVENT", [](const json& entry) { return plain(entry["event"]); }},
                                           {"OUTCOME", [](const json& entry) { return plain(entry["outcome"]); }},
                                           {"BY", who},
                                           {"WHAT", what}};
  return list;
}

handoff::AuditQuery read_query(QueryReader& query) {
  handoff::AuditQuery wanted;
  if (const auto device = query.one("device")) {
    const auto address = sysfs::parse_pci_address(*device);
    if (!address) query.wrong("device", address.error().message);
    if (address) wanted.device = sysfs::to_string(*address);
  }
  wanted.limit = query.number("page_size", 1, 1000).value_or(default_page);
  if (const auto token = query.one("page_token")) {
    wanted.before = sysfs::number_from<std::int64_t>(*token).value_or(0);
    if (wanted.before <= 0) query.wrong("page_token", "this is no page token");
  }
  query.finish();
  return wanted;
}

struct AuditAnswer {
  Response response;
  std::vector<handoff::DamagedRow> damaged;
};

AuditAnswer audit_answer(const Request& request, const handoff::AuditPage& page) {
  std::vector<handoff::DamagedRow> damaged;
  json document = {{"items", json::array()}, {"damaged", json::array()}, {"next_page_token", nullptr}};
  for (const auto& row : page.rows) {
    auto item = json::parse(row.document, nullptr, false);
    if (auto fault = handoff::fault_of_audit(item); !fault.empty()) {
      document["damaged"].push_back({{"id", row.id}, {"reason", fault}});
      damaged.push_back({.table = "audit", .key = std::to_string(row.id), .reason = std::move(fault)});
      continue;
    }
    item["id"] = row.id;
    document["items"].push_back(std::move(item));
  }
  if (page.more) document["next_page_token"] = std::to_string(page.rows.back().id);
  return {list_response(request, document, audit_columns()), std::move(damaged)};
}

}  // namespace

void list_audit(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  auto wanted = read_query(query);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  context.engine.services().journal.read_audit(std::move(wanted), [&context, request, respond = std::move(respond)](
                                                                      const sysfs::Result<handoff::AuditPage>& page) {
    if (!page) return respond(problem_of(request, page.error()));
    const auto work = [request, page = *page] { return audit_answer(request, page); };
    aside(context, request, work, [&context, respond](AuditAnswer answer) {
      for (const auto& row : answer.damaged) context.engine.damaged_rows().set_aside(row);
      respond(std::move(answer.response));
    });
  });
}

}  // namespace devbindd::api
