// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/database.hpp"

#include <chrono>

namespace devbindd::handoff::sql {

std::unexpected<sysfs::Error> failed(sqlite3* database, std::string_view what) {
  return sysfs::fail(sysfs::ErrorCode::JournalFailed,
                     "the state database: cannot " + std::string(what) + ": " + sqlite3_errmsg(database),
                     sqlite3_system_errno(database));
}

Result<> execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed(database, sql);
  return {};
}

Result<Statement> prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) return failed(database, sql);
  return Statement(statement);
}

void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

void bind_optional(sqlite3_stmt* statement, int index, const std::optional<std::string>& text) {
  if (text) {
    bind_text(statement, index, *text);
  } else {
    sqlite3_bind_null(statement, index);
  }
}

std::string column_text(sqlite3_stmt* statement, int index) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
  return text != nullptr ? std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, index)))
                         : std::string{};
}

std::optional<std::string> column_optional(sqlite3_stmt* statement, int index) {
  if (sqlite3_column_type(statement, index) == SQLITE_NULL) return std::nullopt;
  return column_text(statement, index);
}

Result<> run(sqlite3* database, sqlite3_stmt* statement, std::string_view what) {
  if (sqlite3_step(statement) != SQLITE_DONE) return failed(database, what);
  return {};
}

bool has_write_ahead_log(sqlite3* database) {
  auto mode = prepare(database, "PRAGMA journal_mode");
  return mode && sqlite3_step(mode->get()) == SQLITE_ROW && column_text(mode->get(), 0) == "wal";
}

std::int64_t seconds_now() {
  using std::chrono::duration_cast;
  return duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<Database> open_connection(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int status = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_FULLMUTEX, nullptr);
  Database database(raw);
  if (status != SQLITE_OK) {
    return sysfs::fail(
        sysfs::ErrorCode::JournalFailed,
        "cannot open the state database " + path + ": " + (raw != nullptr ? sqlite3_errmsg(raw) : "no memory"),
        raw != nullptr ? sqlite3_system_errno(raw) : 0, path);
  }
  sqlite3_busy_timeout(raw, 2000);
  return database;
}

}  // namespace devbindd::handoff::sql
