// SPDX-License-Identifier: Apache-2.0
// SQLite with errors as values. Not here: which tables there are (schema.hpp).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff::sql {

using sysfs::Result;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// A connection. `flags`: those of sqlite3_open_v2(). Errors here and below: JournalFailed, with SQLite's sentence and
/// the errno.
Result<Database> open_connection(const std::string& path, int flags);

/// What SQLite says of the last call.
std::unexpected<sysfs::Error> failed(sqlite3* database, std::string_view what);

Result<> execute(sqlite3* database, const char* sql);
Result<Statement> prepare(sqlite3* database, const char* sql);
/// A statement that gives no row. `what`: what cannot be done when it fails.
Result<> run(sqlite3* database, sqlite3_stmt* statement, std::string_view what);

void bind_text(sqlite3_stmt* statement, int index, const std::string& text);
void bind_optional(sqlite3_stmt* statement, int index, const std::optional<std::string>& text);
/// "" for NULL.
std::string column_text(sqlite3_stmt* statement, int index);
std::optional<std::string> column_optional(sqlite3_stmt* statement, int index);

bool has_write_ahead_log(sqlite3* database);

/// Since 1970, UTC.
std::int64_t seconds_now();

/// Nothing that is thrown leaves the journal's thread, which would end the daemon.
template <class Value, class Body>
Result<Value> guarded(Body body) {
  try {
    return body();
  } catch (const std::exception& bug) {
    return sysfs::fail(sysfs::ErrorCode::JournalFailed, std::string("the state database: ") + bug.what());
  }
}

/// All of what `body` does, or nothing.
template <class Body>
Result<> transaction(sqlite3* database, Body body) {
  auto done = execute(database, "BEGIN IMMEDIATE");
  if (!done) return done;
  done = guarded<void>(body);
  if (done) done = execute(database, "COMMIT");
  if (!done) (void)execute(database, "ROLLBACK");  // the first error is the one to report
  return done;
}

}  // namespace devbindd::handoff::sql
