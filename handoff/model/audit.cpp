// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/audit.hpp"

#include <algorithm>

namespace devbindd::handoff {

std::string_view name_of(AuditEvent event) {
  switch (event) {
    case AuditEvent::Refused: return "refused";
    case AuditEvent::Begun: return "begun";
    case AuditEvent::Ended: return "ended";
    case AuditEvent::HandedOver: return "handed_over";
  }
  return "refused";
}

AuditFacts facts_of(const AuditEntry& entry) {
  AuditFacts facts;
  const auto add = [&facts](std::string_view name, std::string value) {
    if (!value.empty()) facts.emplace_back(name, std::move(value));
  };
  const auto& by = entry.requester;
  add("EVENT", std::string(name_of(entry.event)));
  add("KIND", entry.kind.empty() ? std::string(name_of(entry.request.kind)) : entry.kind);
  add("OUTCOME", entry.outcome);
  add("TRANSPORT", by.transport);
  add("UID", by.uid ? std::to_string(*by.uid) : "");
  add("PID", by.pid ? std::to_string(*by.pid) : "");
  add("TRACEPARENT", by.traceparent);
  add("DRIVER", entry.request.driver ? entry.request.driver->text() : "");
  add("CLAIM", entry.request.claim);
  add("OPERATION", entry.operation);
  add("DETAIL", entry.detail);
  for (const auto& code : entry.evidence) add("EVIDENCE", code);
  for (const auto& code : entry.accepted) add("ACCEPTED_RISK", code);
  return facts;
}

AuditEntry audit_of(const Operation& operation, AuditEvent event) {
  AuditEntry entry{.at = std::chrono::system_clock::now(),
                   .event = event,
                   .requester = operation.requester,
                   .request = operation.request,
                   .operation = operation.id,
                   .outcome = std::string(name_of(operation.state)),
                   .detail = operation.error ? operation.error->error.message : std::string{},
                   .evidence = {},
                   .accepted = {},
                   .looked_at = operation.looked_at};
  for (const auto& item : operation.evidence) {
    entry.evidence.push_back(item.code);
    const auto& accepted = operation.request.accept_risks;
    const bool taken = item.severity == Severity::Block && item.acceptable;
    if (taken && std::ranges::find(accepted, item.code) != accepted.end()) entry.accepted.push_back(item.code);
  }
  return entry;
}

}  // namespace devbindd::handoff
