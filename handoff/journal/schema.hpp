// SPDX-License-Identifier: Apache-2.0
// The tables of the state database, made, or brought from an older version to this one.
#pragma once

#include "handoff/journal/database.hpp"

namespace devbindd::handoff::sql {

/// Error: JournalFailed, also for a database of a newer version.
Result<> prepare_schema(sqlite3* database);

}  // namespace devbindd::handoff::sql
