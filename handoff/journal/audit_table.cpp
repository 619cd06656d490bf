// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/audit_table.hpp"

#include <initializer_list>
#include <limits>
#include <vector>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff::sql {
namespace {

// The addresses of one line of the audit stand in one column, with blanks between them.
std::vector<std::string> split(const std::string& text) {
  const auto words = sysfs::words_of(text);
  return {words.begin(), words.end()};
}

Result<std::int64_t> audit_bytes(sqlite3* database) {
  auto statement = prepare(database, "SELECT bytes FROM audit_size");
  if (!statement) return std::unexpected(statement.error());
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return failed(database, "read the size of the audit");
  return sqlite3_column_int64(statement->get(), 0);
}

// A statement with numbers in the place of its parameters.
Result<> run_with(sqlite3* database, const char* sql, std::initializer_list<std::int64_t> numbers) {
  auto statement = prepare(database, sql);
  if (!statement) return std::unexpected(statement.error());
  int index = 0;
  for (const auto number : numbers) sqlite3_bind_int64(statement->get(), ++index, number);
  return run(database, statement->get(), "trim the audit");
}

// All but the newest line may go. What a limit that was made smaller leaves over goes bit by bit.
Result<> trim_audit(sqlite3* database, const AuditLimits& limits, std::int64_t newest, std::int64_t now) {
  constexpr int most = 1000;
  auto done = run_with(database, "DELETE FROM audit WHERE id<=?1 AND id IN (SELECT id FROM audit ORDER BY id LIMIT ?2)",
                       {newest - std::max<std::int64_t>(limits.rows, 1), most});
  if (!done) return done;
  done = run_with(database,
                  "DELETE FROM audit WHERE id<?1 AND at<?2 AND id IN (SELECT id FROM audit ORDER BY id LIMIT ?3)",
                  {newest, now - limits.age.count(), most});
  for (int removed = 0; done && removed < most; ++removed) {
    const auto bytes = audit_bytes(database);
    if (!bytes) return std::unexpected(bytes.error());
    if (*bytes <= limits.bytes) break;
    done = run_with(database, "DELETE FROM audit WHERE id<?1 AND id=(SELECT min(id) FROM audit)", {newest});
    if (sqlite3_changes(database) == 0) break;
  }
  return done;
}

}  // namespace

Result<> insert_audit(sqlite3* database, const AuditRow& row, const AuditLimits& limits) {
  const auto now = seconds_now();
  auto statement = prepare(database, "INSERT INTO audit(device,document,at) VALUES(?,?,?)");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, sysfs::joined(row.devices, " "));
  bind_text(statement->get(), 2, row.document);
  sqlite3_bind_int64(statement->get(), 3, row.at != 0 ? row.at : now);
  if (auto done = run(database, statement->get(), "store a line of the audit"); !done) return done;
  const auto id = sqlite3_last_insert_rowid(database);
  for (const auto& device : row.devices) {
    auto indexed = prepare(database, "INSERT OR IGNORE INTO audit_devices(device,id) VALUES(?,?)");
    if (!indexed) return std::unexpected(indexed.error());
    bind_text(indexed->get(), 1, device);
    sqlite3_bind_int64(indexed->get(), 2, id);
    if (auto done = run(database, indexed->get(), "store a device of the audit"); !done) return done;
  }
  return trim_audit(database, limits, id, now);
}

Result<AuditPage> select_audit(sqlite3* database, const AuditQuery& query) {
  auto statement = prepare(
      database,
      query.device.empty()
          ? "SELECT id,device,document FROM audit WHERE id<?1 ORDER BY id DESC LIMIT ?2"
          : "SELECT audit.id,audit.device,audit.document FROM audit_devices JOIN audit ON audit.id=audit_devices.id "
            "WHERE audit_devices.device=?3 AND audit_devices.id<?1 ORDER BY audit_devices.id DESC LIMIT ?2");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  sqlite3_bind_int64(row, 1, query.before > 0 ? query.before : std::numeric_limits<std::int64_t>::max());
  sqlite3_bind_int64(row, 2, static_cast<sqlite3_int64>(query.limit) + 1);
  if (!query.device.empty()) bind_text(row, 3, query.device);
  AuditPage page;
  std::size_t bytes = 0;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row)) {
    bytes += static_cast<std::size_t>(sqlite3_column_bytes(row, 2));
    page.more = page.rows.size() == query.limit || (!page.rows.empty() && bytes > max_audit_page_bytes);
    if (page.more) return page;
    page.rows.push_back({sqlite3_column_int64(row, 0), split(column_text(row, 1)), column_text(row, 2)});
  }
  if (status != SQLITE_DONE) return failed(database, "read the audit");
  return page;
}

}  // namespace devbindd::handoff::sql
