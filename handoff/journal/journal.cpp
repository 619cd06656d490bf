// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/journal.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/processor_share.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Result;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

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

// Nothing that is thrown leaves the journal's thread, which would end the daemon.
template <class Value, class Body>
Result<Value> guarded(Body body) {
  try {
    return body();
  } catch (const std::exception& bug) {
    return sysfs::fail(sysfs::ErrorCode::JournalFailed, std::string("the state database: ") + bug.what());
  }
}

template <class Body>
Result<> transaction(sqlite3* database, Body body) {
  auto done = execute(database, "BEGIN IMMEDIATE");
  if (!done) return done;
  done = guarded<void>(body);
  if (done) done = execute(database, "COMMIT");
  if (!done) (void)execute(database, "ROLLBACK");  // the first error is the one to report
  return done;
}

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
CREATE TABLE IF NOT EXISTS drains(address TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
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

constexpr int schema_version = 8;

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
    auto done = execute(database, schema);
    if (done && *version < 7) done = execute(database, take_over_audit);
    if (done) done = execute(database, ("PRAGMA user_version=" + std::to_string(schema_version)).c_str());
    return done;
  });
}

Result<> upsert_claim(sqlite3* database, const ClaimRow& row) {
  // One that has ended is numbered anew: the oldest of those go by when they ended.
  const bool ended = row.state == "released" || row.state == "lost";
  auto statement =
      prepare(database, ended ? "INSERT OR REPLACE INTO claims(id,state,document) VALUES(?,?,?)"
                              : "INSERT INTO claims(id,state,document) VALUES(?,?,?) ON CONFLICT(id) DO UPDATE SET "
                                "state=excluded.state, document=excluded.document");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, row.id);
  bind_text(statement->get(), 2, row.state);
  bind_text(statement->get(), 3, row.document);
  if (auto done = run(database, statement->get(), "store a claim"); !done) return done;
  auto trimmed = prepare(database,
                         "DELETE FROM claims WHERE state IN ('released','lost') AND number NOT IN (SELECT number FROM "
                         "claims WHERE state IN ('released','lost') ORDER BY number DESC LIMIT ?)");
  if (!trimmed) return std::unexpected(trimmed.error());
  sqlite3_bind_int(trimmed->get(), 1, static_cast<int>(max_ended_claims));
  return run(database, trimmed->get(), "trim the claims");
}

Result<std::vector<ClaimRow>> select_claims(sqlite3* database) {
  auto statement = prepare(database, "SELECT id,state,document FROM claims ORDER BY number");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<ClaimRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row))
    rows.push_back({column_text(row, 0), column_text(row, 1), column_text(row, 2)});
  if (status != SQLITE_DONE) return failed(database, "read the claims");
  return rows;
}

Result<> upsert_drain(sqlite3* database, const DrainRow& row) {
  auto statement = prepare(database, "INSERT OR REPLACE INTO drains(address,document) VALUES(?,?)");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, row.address);
  bind_text(statement->get(), 2, row.document);
  return run(database, statement->get(), "store that a device is drained");
}

Result<> delete_drain(sqlite3* database, const std::string& address) {
  auto statement = prepare(database, "DELETE FROM drains WHERE address=?");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, address);
  return run(database, statement->get(), "forget that a device is drained");
}

Result<std::vector<DrainRow>> select_drains(sqlite3* database) {
  auto statement = prepare(database, "SELECT address,document FROM drains");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<DrainRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row)) rows.push_back({column_text(row, 0), column_text(row, 1)});
  if (status != SQLITE_DONE) return failed(database, "read which devices are drained");
  return rows;
}

std::int64_t seconds_now() {
  using std::chrono::duration_cast;
  return duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<> upsert_answer(sqlite3* database, const AnswerRow& row) {
  auto statement = prepare(database, "INSERT OR REPLACE INTO answers(id,at,document) VALUES(?,?,?)");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, row.id);
  sqlite3_bind_int64(statement->get(), 2, seconds_now());
  bind_text(statement->get(), 3, row.document);
  if (auto done = run(database, statement->get(), "store an answer"); !done) return done;
  constexpr std::int64_t day = 24L * 3600;
  auto trimmed = prepare(database,
                         "DELETE FROM answers WHERE at<?1 OR number NOT IN (SELECT number FROM answers ORDER BY number "
                         "DESC LIMIT ?2)");
  if (!trimmed) return std::unexpected(trimmed.error());
  sqlite3_bind_int64(trimmed->get(), 1, seconds_now() - day);
  sqlite3_bind_int64(trimmed->get(), 2, static_cast<std::int64_t>(max_answers));
  return run(database, trimmed->get(), "trim the answers");
}

Result<std::vector<AnswerRow>> select_answers(sqlite3* database) {
  auto statement = prepare(database, "SELECT id,document FROM answers ORDER BY number");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<AnswerRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row)) rows.push_back({column_text(row, 0), column_text(row, 1)});
  if (status != SQLITE_DONE) return failed(database, "read the answers that were kept");
  return rows;
}

Result<> upsert_operation(sqlite3* database, const OperationRow& row) {
  auto statement = prepare(database,
                           "INSERT INTO operations VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET state=excluded.state, "
                           "document=excluded.document");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, row.id);
  bind_text(statement->get(), 2, row.created_at);
  bind_text(statement->get(), 3, row.state);
  bind_text(statement->get(), 4, row.document);
  return run(database, statement->get(), "store an operation");
}

Result<> insert_original(sqlite3* database, const Original& original, const std::string& boot_id) {
  auto statement = prepare(database, "INSERT OR REPLACE INTO originals VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
  if (!statement) return std::unexpected(statement.error());
  auto* raw = statement->get();
  bind_text(raw, 1, sysfs::to_string(original.address));
  sqlite3_bind_int(raw, 2, original.vendor);
  sqlite3_bind_int(raw, 3, original.device);
  sqlite3_bind_int(raw, 4, original.subsystem_vendor);
  sqlite3_bind_int(raw, 5, original.subsystem_device);
  bind_optional(raw, 6, original.driver);
  bind_optional(raw, 7, original.driver_override);
  bind_text(raw, 8, std::string(name_of(original.scope)));
  bind_text(raw, 9, original.operation);
  bind_text(raw, 10, boot_id);
  bind_optional(raw, 11, original.vf_settings);
  if (original.inode) sqlite3_bind_int64(raw, 12, static_cast<sqlite3_int64>(*original.inode));
  return run(database, raw, "store how a device was");
}

Result<> delete_original(sqlite3* database, const sysfs::PciAddress& address) {
  auto statement = prepare(database, "DELETE FROM originals WHERE address=?");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, sysfs::to_string(address));
  return run(database, statement->get(), "forget how a device was");
}

/// A table as set_aside() sees it.
struct Origin {
  std::string_view name;
  const char* copy;
  const char* remove;
};
constexpr std::array<Origin, 6> origins{{
    {"operations",
     "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM operations WHERE id=?2",
     "DELETE FROM operations WHERE id=?1"},
    {"audit",
     "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM audit WHERE id=CAST(?2 AS INTEGER)",
     "DELETE FROM audit WHERE id=CAST(?1 AS INTEGER)"},
    {"claims", "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM claims WHERE id=?2",
     "DELETE FROM claims WHERE id=?1"},
    {"drains", "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM drains WHERE address=?2",
     "DELETE FROM drains WHERE address=?1"},
    {"answers", "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM answers WHERE id=?2",
     "DELETE FROM answers WHERE id=?1"},
    {"originals",
     "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,json_array(vendor,device,subsystem_vendor,"
     "subsystem_device,driver,driver_override,scope,operation,boot_id,vf_settings,inode) FROM originals WHERE "
     "address=?2",
     "DELETE FROM originals WHERE address=?1"},
}};

Result<> move_aside(sqlite3* database, const DamagedRow& row) {
  const auto* const origin = std::ranges::find(origins, row.table, &Origin::name);
  if (origin == origins.end())
    return sysfs::fail(sysfs::ErrorCode::JournalFailed, "the state database has no table " + row.table);
  auto copied = prepare(database, origin->copy);
  if (!copied) return std::unexpected(copied.error());
  bind_text(copied->get(), 1, row.table);
  bind_text(copied->get(), 2, row.key);
  bind_text(copied->get(), 3, row.reason);
  if (auto done = run(database, copied->get(), "keep a damaged row aside"); !done) return done;
  auto removed = prepare(database, origin->remove);
  if (!removed) return std::unexpected(removed.error());
  bind_text(removed->get(), 1, row.key);
  if (auto done = run(database, removed->get(), "take a damaged row out"); !done) return done;
  auto trimmed = prepare(database,
                         "DELETE FROM damaged WHERE number NOT IN (SELECT number FROM damaged ORDER BY number DESC "
                         "LIMIT ?)");
  if (!trimmed) return std::unexpected(trimmed.error());
  sqlite3_bind_int(trimmed->get(), 1, static_cast<int>(max_damaged_rows));
  return run(database, trimmed->get(), "trim the damaged rows");
}

Result<std::vector<DamagedRow>> select_damaged(sqlite3* database) {
  auto statement = prepare(database, "SELECT origin,id,reason FROM damaged ORDER BY number");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<DamagedRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row))
    rows.push_back({column_text(row, 0), column_text(row, 1), column_text(row, 2)});
  if (status != SQLITE_DONE) return failed(database, "read the damaged rows");
  return rows;
}

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

// Finished operations beyond the limit go, oldest first; running ones never.
Result<> trim(sqlite3* database) {
  auto statement = prepare(database,
                           "DELETE FROM operations WHERE state NOT IN ('running','blocked') AND id NOT IN "
                           "(SELECT id FROM operations ORDER BY created_at DESC LIMIT ?)");
  if (!statement) return std::unexpected(statement.error());
  sqlite3_bind_int(statement->get(), 1, static_cast<int>(max_operations));
  return run(database, statement->get(), "trim the list of operations");
}

Result<> drop_other_boots(sqlite3* database, const std::string& boot_id) {
  auto statement = prepare(database, "DELETE FROM originals WHERE boot_id<>?");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, boot_id);
  return run(database, statement->get(), "drop what an earlier boot had remembered");
}

std::optional<Original> original_from(sqlite3_stmt* row) {
  const auto address = sysfs::parse_pci_address(column_text(row, 0));
  if (!address) return std::nullopt;
  Original original;
  original.address = *address;
  original.vendor = static_cast<std::uint16_t>(sqlite3_column_int(row, 1));
  original.device = static_cast<std::uint16_t>(sqlite3_column_int(row, 2));
  original.subsystem_vendor = static_cast<std::uint16_t>(sqlite3_column_int(row, 3));
  original.subsystem_device = static_cast<std::uint16_t>(sqlite3_column_int(row, 4));
  original.driver = column_optional(row, 5);
  original.driver_override = column_optional(row, 6);
  original.scope = column_text(row, 7) == name_of(Scope::Group) ? Scope::Group : Scope::Device;
  original.operation = column_text(row, 8);
  original.vf_settings = column_optional(row, 10);
  if (sqlite3_column_type(row, 11) != SQLITE_NULL)
    original.inode = static_cast<std::uint64_t>(sqlite3_column_int64(row, 11));
  return original;
}

Result<Remembered> load(sqlite3* database) {
  Remembered remembered;
  auto originals = prepare(database, "SELECT * FROM originals ORDER BY address");
  if (!originals) return std::unexpected(originals.error());
  auto* original_row = originals->get();
  int status = sqlite3_step(original_row);
  std::vector<DamagedRow> damaged;
  for (; status == SQLITE_ROW; status = sqlite3_step(original_row)) {
    auto original = original_from(original_row);
    if (original) remembered.originals.push_back(std::move(*original));
    if (!original) damaged.push_back({"originals", column_text(original_row, 0), "its address is none"});
  }
  if (status != SQLITE_DONE) return failed(database, "read how devices were");
  originals->reset();
  for (const auto& row : damaged) {
    if (auto moved = transaction(database, [&] { return move_aside(database, row); }); !moved)
      return std::unexpected(moved.error());
  }
  // Unfinished ones however old they are: they are to be told as interrupted.
  auto rows =
      prepare(database,
              "SELECT id,created_at,state,document FROM operations WHERE state IN ('running','blocked') OR id IN "
              "(SELECT id FROM operations ORDER BY created_at DESC LIMIT ?) ORDER BY created_at DESC");
  if (!rows) return std::unexpected(rows.error());
  auto* row = rows->get();
  sqlite3_bind_int(row, 1, static_cast<int>(max_operations));
  for (status = sqlite3_step(row); status == SQLITE_ROW; status = sqlite3_step(row)) {
    remembered.operations.push_back(
        {column_text(row, 0), column_text(row, 1), column_text(row, 2), column_text(row, 3)});
  }
  if (status != SQLITE_DONE) return failed(database, "read the operations");
  auto claims = select_claims(database);
  if (!claims) return std::unexpected(claims.error());
  remembered.claims = std::move(*claims);
  auto drains = select_drains(database);
  if (!drains) return std::unexpected(drains.error());
  remembered.drains = std::move(*drains);
  auto answers = select_answers(database);
  if (!answers) return std::unexpected(answers.error());
  remembered.answers = std::move(*answers);
  auto aside = select_damaged(database);
  if (!aside) return std::unexpected(aside.error());
  remembered.damaged = std::move(*aside);
  return remembered;
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

Result<Database> open_database(const std::string& path) {
  auto database = open_connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!database) return database;
  auto* raw = database->get();
  // With a write-ahead log whoever reads keeps no commit waiting. A file system without shared memory for it goes on
  // with a rollback journal; EXTRA then also syncs the directory when that goes.
  auto done = execute(raw, "PRAGMA journal_mode=WAL");
  if (done) done = execute(raw, "PRAGMA synchronous=EXTRA");
  if (done) done = prepare_schema(raw);
  if (!done) return std::unexpected(done.error());
  return database;
}

bool has_write_ahead_log(sqlite3* database) {
  auto mode = prepare(database, "PRAGMA journal_mode");
  return mode && sqlite3_step(mode->get()) == SQLITE_ROW && column_text(mode->get(), 0) == "wal";
}

bool is_in_memory(const std::string& path) { return path == ":memory:"; }

// Keeps a second daemon out of the same state. It is closed after the last connection: closing any descriptor of the
// file drops what fcntl(2) has locked of it, and SQLite locks by that.
Result<sysfs::FileDescriptor> lock_state(const std::string& path) {
  sysfs::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file)
    return sysfs::fail(sysfs::ErrorCode::JournalFailed,
                       "cannot open the state database " + path + ": " + sysfs::errno_text(errno), errno, path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  return sysfs::fail(sysfs::ErrorCode::JournalFailed,
                     "another devbindd has the state database " + path + ": " + sysfs::errno_text(errno), errno, path);
}

/// A thread that does one thing after the other: what is urgent first.
class JournalThread {
 public:
  void start() {
    thread_ = std::jthread([this] { run(); });
  }
  void add(std::function<void()> item) { enqueue(urgent_, std::move(item)); }
  void add_later(std::function<void()> item) { enqueue(later_, std::move(item)); }

  // What is urgent is done before the thread ends: an operation's end must not be lost on a polite stop.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      later_.clear();
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Queue = std::deque<std::function<void()>>;

  void enqueue(Queue& queue, std::function<void()> item) {
    {
      const std::scoped_lock lock(mutex_);
      queue.push_back(std::move(item));
    }
    wake_.notify_one();
  }

  void run() {
    while (true) {
      std::function<void()> item;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !urgent_.empty() || !later_.empty(); });
        if (urgent_.empty() && later_.empty()) return;
        auto& queue = urgent_.empty() ? later_ : urgent_;
        item = std::move(queue.front());
        queue.pop_front();
      }
      item();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  Queue urgent_;
  Queue later_;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace

struct Journal::Impl {
  sysfs::FileDescriptor lock;  // first: it goes last
  Database database;
  Database reading;  ///< for reads of their own thread; null where there can be no second connection
  std::string boot_id;
  Post post;
  AuditLimits limits;
  Remembered remembered;
  JournalThread commits;
  JournalThread reads;

  void enqueue(std::function<void()> item) { commits.add(std::move(item)); }

  Result<> open(const std::string& path) {
    if (!is_in_memory(path)) {
      auto locked = lock_state(path);
      if (!locked) return std::unexpected(locked.error());
      lock = std::move(*locked);
    }
    auto opened = open_database(path);
    if (!opened) return std::unexpected(opened.error());
    database = std::move(*opened);
    if (auto done = drop_other_boots(database.get(), boot_id); !done) return done;
    auto found = load(database.get());
    if (!found) return std::unexpected(found.error());
    remembered = std::move(*found);
    if (is_in_memory(path) || !has_write_ahead_log(database.get())) return {};
    auto second = open_connection(path, SQLITE_OPEN_READONLY);
    if (!second) return std::unexpected(second.error());
    reading = std::move(*second);
    return {};
  }

  void start() {
    commits.start();
    if (!reading) return;
    reads.start();
    reads.add(sysfs::yield_as_thread);
  }

  void stop() {
    reads.stop();
    commits.stop();
  }
};

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Journal::~Journal() { impl_->stop(); }

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path, const std::string& boot_id, Post post,
                                               const AuditLimits& limits) {
  auto impl = std::make_unique<Impl>();
  impl->boot_id = boot_id;
  impl->post = std::move(post);
  impl->limits = limits;
  if (auto done = impl->open(path); !done) return std::unexpected(done.error());
  impl->start();
  return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

const Remembered& Journal::remembered() const { return impl_->remembered; }

void Journal::begin(OperationRow row, std::vector<Original> originals, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), originals = std::move(originals), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&]() -> Result<> {
      auto stored = upsert_operation(database, row);
      if (stored && row.audit) stored = insert_audit(database, *row.audit, impl->limits);
      for (const auto& original : originals) {
        if (stored) stored = insert_original(database, original, impl->boot_id);
      }
      return stored;
    });
    impl->post([done, result] { done(result); });
  });
}

void Journal::finish(OperationRow row, std::vector<sysfs::PciAddress> forget, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), forget = std::move(forget), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&]() -> Result<> {
      auto stored = upsert_operation(database, row);
      if (stored && row.audit) stored = insert_audit(database, *row.audit, impl->limits);
      for (const auto& address : forget) {
        if (stored) stored = delete_original(database, address);
      }
      if (stored) stored = trim(database);
      return stored;
    });
    impl->post([done, result] { done(result); });
  });
}

void Journal::forget(std::vector<sysfs::PciAddress> addresses, Done done) {
  impl_->enqueue([impl = impl_.get(), addresses = std::move(addresses), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&]() -> Result<> {
      Result<> stored;
      for (const auto& address : addresses) {
        if (stored) stored = delete_original(database, address);
      }
      return stored;
    });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(ClaimRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return upsert_claim(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(DrainRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return upsert_drain(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(AnswerRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return upsert_answer(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::drop_drain(std::string address, Done done) {
  impl_->enqueue([impl = impl_.get(), address = std::move(address), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return delete_drain(database, address); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::record(AuditRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return insert_audit(database, row, impl->limits); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::set_aside(DamagedRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = transaction(database, [&] { return move_aside(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::read_audit(AuditQuery query, std::function<void(Result<AuditPage>)> done) {
  auto read = [impl = impl_.get(), query = std::move(query), done = std::move(done)] {
    auto* database = impl->reading ? impl->reading.get() : impl->database.get();
    auto page = guarded<AuditPage>([&] { return select_audit(database, query); });
    impl->post([done, page = std::move(page)] { done(page); });
  };
  if (!impl_->reading) return impl_->commits.add_later(std::move(read));
  // Behind what is to be written already: whoever reads after an answer finds what led to it.
  impl_->enqueue([impl = impl_.get(), read = std::move(read)] { impl->reads.add_later(read); });
}

}  // namespace devbindd::handoff
