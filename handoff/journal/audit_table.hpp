// SPDX-License-Identifier: Apache-2.0
// The table of the audit: lines come, are read in pages, and go when they are too many, too large or too old.
#pragma once

#include "handoff/journal/database.hpp"
#include "handoff/model/audit.hpp"

namespace devbindd::handoff::sql {

/// Lines beyond the limits go with it, a thousand at most.
Result<> insert_audit(sqlite3* database, const AuditRow& row, const AuditLimits& limits);
Result<AuditPage> select_audit(sqlite3* database, const AuditQuery& query);

}  // namespace devbindd::handoff::sql
