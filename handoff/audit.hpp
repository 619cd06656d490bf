// The audit: a durable line for every change that was begun, ended or refused, and for claims. Passive; the journal
// keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "handoff/operation.hpp"

namespace devbindd::handoff {

enum class AuditEvent { Refused, Begun, Ended, HandedOver };
std::string_view name_of(AuditEvent event);

/// Who wanted what when, which risks he took, and what became of it.
struct AuditEntry {
  TimePoint at;
  AuditEvent event = AuditEvent::Refused;
  std::string kind = {};  ///< "" for that of the request
  Requester requester;
  ChangeRequest request;
  std::string operation;              ///< "" for a refusal
  std::string outcome;                ///< a refusal's error code, an operation's state
  std::string detail;                 ///< one sentence; "" when there is nothing to say
  std::vector<std::string> evidence;  ///< codes that spoke against it
  std::vector<std::string> accepted;  ///< those of them that were accepted as risks
  std::vector<LookedAt> looked_at;    ///< by which rules they were looked for
};

AuditEntry audit_of(const Operation& operation, AuditEvent event);

/// One line of the journal's table.
struct AuditRow {
  std::int64_t id = 0;               ///< ascending; given by the journal
  std::vector<std::string> devices;  ///< the addresses that were changed, or that a refused request named
  std::string document;              ///< JSON of the entry
};

constexpr std::size_t max_audit_rows = 100'000;

/// Which lines to read, newest first.
struct AuditQuery {
  std::string device = {};  ///< "" for all
  std::int64_t before = 0;  ///< ids below this; 0: from the newest on
  std::size_t limit = 100;
};

}  // namespace devbindd::handoff
