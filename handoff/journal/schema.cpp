// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/schema.hpp"

#include <string>
#include <utility>

namespace devbindd::handoff::sql {
namespace {

constexpr const char* schema = R"sql(
CREATE TABLE IF NOT EXISTS operations(
  id TEXT PRIMARY KEY, created_at TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS operations_by_time ON operations(created_at);
CREATE TABLE IF NOT EXISTS originals(
  address TEXT PRIMARY KEY, vendor INTEGER NOT NULL, device INTEGER NOT NULL,
  subsystem_vendor INTEGER NOT NULL, subsystem_device INTEGER NOT NULL,
  driver TEXT, driver_override TEXT, scope TEXT NOT NULL, operation TEXT NOT NULL, boot_id TEXT NOT NULL,
  vf_settings TEXT, inode INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, document TEXT NOT NULL,
  at INTEGER NOT NULL DEFAULT 0) STRICT;
DROP INDEX IF EXISTS audit_by_device;
CREATE TABLE IF NOT EXISTS audit_devices(
  device TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(device,id)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS audit_devices_by_id ON audit_devices(id);
CREATE TABLE IF NOT EXISTS audit_size(one INTEGER PRIMARY KEY CHECK(one=1), bytes INTEGER NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS audit_comes AFTER INSERT ON audit BEGIN
  UPDATE audit_size SET bytes=bytes+length(CAST(NEW.document AS BLOB))+length(CAST(NEW.device AS BLOB));
END;
CREATE TRIGGER IF NOT EXISTS audit_goes AFTER DELETE ON audit BEGIN
  UPDATE audit_size SET bytes=bytes-length(CAST(OLD.document AS BLOB))-length(CAST(OLD.device AS BLOB));
  DELETE FROM audit_devices WHERE id=OLD.id;
END;
CREATE TABLE IF NOT EXISTS claims(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
  document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cordons(address TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS answers(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS damaged(
  number INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, id TEXT NOT NULL, reason TEXT NOT NULL,
  document ANY) STRICT;
INSERT OR IGNORE INTO audit_size SELECT 1,
  coalesce(sum(length(CAST(document AS BLOB))+length(CAST(device AS BLOB))),0) FROM audit;
)sql";

// Lines of before version 7: they grow old from now on, and are found by their devices.
constexpr const char* take_over_audit = R"sql(
UPDATE audit SET at=CAST(strftime('%s','now') AS INTEGER) WHERE at=0;
INSERT OR IGNORE INTO audit_devices
  WITH RECURSIVE words(id, word, rest) AS (
    SELECT id, '', device||' ' FROM audit UNION ALL
    SELECT id, substr(rest,1,instr(rest,' ')-1), substr(rest,instr(rest,' ')+1) FROM words WHERE rest<>'')
  SELECT word, id FROM words WHERE word<>'';
)sql";

constexpr int schema_version = 9;

Result<int> user_version(sqlite3* database) {
  auto statement = prepare(database, "PRAGMA user_version");
  if (!statement) return std::unexpected(statement.error());
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return failed(database, "read its version");
  return sqlite3_column_int(statement->get(), 0);
}

// A database that is new has no such table yet.
Result<> add_column(sqlite3* database, const std::string& table, const std::string& column) {
  const auto name = column.substr(0, column.find(' '));
  const auto question = "SELECT count(*), sum(name='" + name + "') FROM pragma_table_info('" + table + "')";
  auto columns = prepare(database, question.c_str());
  if (!columns) return std::unexpected(columns.error());
  if (sqlite3_step(columns->get()) != SQLITE_ROW) return failed(database, "read its tables");
  const bool missing = sqlite3_column_int(columns->get(), 0) > 0 && sqlite3_column_int(columns->get(), 1) == 0;
  columns->reset();
  return missing ? execute(database, ("ALTER TABLE " + table + " ADD COLUMN " + column).c_str()) : Result<>();
}

// Before version 9 a cordon was called a drain. A database that is new has no such table.
Result<> rename_drains(sqlite3* database) {
  auto tables = prepare(database, "SELECT count(*) FROM sqlite_master WHERE type='table' AND name='drains'");
  if (!tables) return std::unexpected(tables.error());
  if (sqlite3_step(tables->get()) != SQLITE_ROW) return failed(database, "read its tables");
  const bool old = sqlite3_column_int(tables->get(), 0) > 0;
  tables->reset();
  return old ? execute(database, "ALTER TABLE drains RENAME TO cordons") : Result<>();
}

}  // namespace

Result<> prepare_schema(sqlite3* database) {
  auto version = user_version(database);
  if (!version) return std::unexpected(version.error());
  if (*version > schema_version) {
    return sysfs::fail(sysfs::ErrorCode::JournalFailed, "the state database was written by a newer devbindd (version " +
                                                            std::to_string(*version) +
                                                            "): start that one, or move the database away");
  }
  // The other changes since version 1 are new tables.
  for (const auto& [table, column] :
       {std::pair("originals", "vf_settings TEXT"), std::pair("originals", "inode INTEGER"),
        std::pair("audit", "at INTEGER NOT NULL DEFAULT 0")}) {
    if (auto added = add_column(database, table, column); !added) return added;
  }
  return transaction(database, [&] {
    auto done = *version < 9 ? rename_drains(database) : Result<>();
    if (done) done = execute(database, schema);
    if (done && *version < 7) done = execute(database, take_over_audit);
    if (done) done = execute(database, ("PRAGMA user_version=" + std::to_string(schema_version)).c_str());
    return done;
  });
}

}  // namespace devbindd::handoff::sql
