// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/rows.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "handoff/journal/claim_document.hpp"
#include "handoff/journal/document_check.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/journal/operation_document.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;

json parsed(const std::string& document) { return json::parse(document, nullptr, false); }

std::vector<std::string> texts_of(const std::vector<sysfs::PciAddress>& addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(sysfs::to_string(address));
  return texts;
}

json to_json(const Cordon& cordon) {
  return {{"vendor", cordon.vendor},
          {"device", cordon.device},
          {"reason", cordon.reason},
          {"since", rfc3339(cordon.since)},
          {"requested_by", handoff::to_json(cordon.requester)}};
}

}  // namespace

OperationRow row_of(const Operation& operation) {
  return {operation.id, rfc3339(operation.created_at), std::string(name_of(operation.state)), dump(to_json(operation))};
}

std::expected<Operation, std::string> operation_of(const OperationRow& row) {
  const auto document = parsed(row.document);
  if (auto fault = fault_of_operation(document, row.id); !fault.empty()) return std::unexpected(std::move(fault));
  auto operation = operation_from(document);
  if (!operation) return std::unexpected("its kind or its time is none");
  return std::move(*operation);
}

AuditRow row_of(const AuditEntry& entry, const std::vector<sysfs::PciAddress>& devices) {
  return {.id = 0, .devices = texts_of(devices), .document = dump(handoff::to_json(entry)), .facts = facts_of(entry)};
}

AuditRow row_of_claim(const AuditEntry& entry, const std::vector<sysfs::PciAddress>& devices) {
  auto document = handoff::to_json(entry);
  document["request"].erase("method");  // of a bind
  document["request"]["devices"] = texts_of(devices);
  return {.id = 0, .devices = texts_of(devices), .document = dump(document), .facts = facts_of(entry)};
}

ClaimRow row_of(const Claim& claim, std::string state) {
  return {claim.id, std::move(state), dump(handoff::to_json(claim))};
}

std::optional<Claim> claim_of(const ClaimRow& row) { return claim_from(parsed(row.document)); }

CordonRow row_of(const sysfs::PciAddress& address, const Cordon& cordon) {
  return {sysfs::to_string(address), dump(to_json(cordon))};
}

std::optional<Cordon> cordon_of(const CordonRow& row) {
  const auto document = parsed(row.document);
  const auto is_id = [&document](const char* key) {
    return document.contains(key) && document[key].is_number_unsigned() && document[key].get<std::uint64_t>() <= 0xffff;
  };
  const auto is_text = [&document](const char* key) { return document.contains(key) && document[key].is_string(); };
  if (!document.is_object() || !is_id("vendor") || !is_id("device") || !is_text("reason") || !is_text("since"))
    return std::nullopt;
  const auto since = time_from(document["since"].get<std::string>());
  if (!since) return std::nullopt;
  Cordon cordon{.vendor = document["vendor"].get<std::uint16_t>(),
                .device = document["device"].get<std::uint16_t>(),
                .reason = document["reason"].get<std::string>(),
                .since = *since};
  if (document.contains("requested_by")) cordon.requester = requester_from(document["requested_by"]);
  return cordon;
}

}  // namespace devbindd::handoff
