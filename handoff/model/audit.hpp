// SPDX-License-Identifier: Apache-2.0
// The audit: a durable line for every change that was begun, ended or refused, and for claims. Passive; the journal
// keeps it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "handoff/model/operation.hpp"

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

/// One fact of an entry after the other, for logs that keep facts by name: "EVENT" and "refused". What is not known is
/// left out; of what there is several of each has a fact of its own. Values may hold any text.
using AuditFacts = std::vector<std::pair<std::string_view, std::string>>;
AuditFacts facts_of(const AuditEntry& entry);

AuditEntry audit_of(const Operation& operation, AuditEvent event);

/// One line of the journal's table.
struct AuditRow {
  std::int64_t id = 0;               ///< ascending; given by the journal
  std::vector<std::string> devices;  ///< the addresses that were changed, or that a refused request named
  std::string document;              ///< JSON of the entry
  AuditFacts facts = {};             ///< not stored; for who hears of the line when it is
  std::int64_t at = 0;               ///< seconds since 1970 UTC, by which it grows old; 0: when it is stored
};

/// What the journal keeps of the audit; the oldest lines beyond any of these go when one is stored, a thousand at most.
struct AuditLimits {
  std::int64_t rows = 100'000;
  std::int64_t bytes = 64LL << 20;  ///< of documents and addresses
  std::chrono::seconds age = std::chrono::days(400);
};

/// Which lines to read, newest first.
struct AuditQuery {
  std::string device = {};  ///< "" for all
  std::int64_t before = 0;  ///< ids below this; 0: from the newest on
  std::size_t limit = 100;
};

constexpr std::size_t max_audit_page_bytes = 1U << 20U;

/// What was read: at most as many lines as were asked for, and no more bytes than a page may have, but one line always.
struct AuditPage {
  std::vector<AuditRow> rows;
  bool more = false;  ///< there are older ones
};

}  // namespace devbindd::handoff
