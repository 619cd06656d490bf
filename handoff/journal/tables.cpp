// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/tables.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace devbindd::handoff::sql {
namespace {

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

Result<std::vector<CordonRow>> select_cordons(sqlite3* database) {
  auto statement = prepare(database, "SELECT address,document FROM cordons");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<CordonRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row)) rows.push_back({column_text(row, 0), column_text(row, 1)});
  if (status != SQLITE_DONE) return failed(database, "read which devices are cordoned");
  return rows;
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
    {"cordons", "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM cordons WHERE address=?2",
     "DELETE FROM cordons WHERE address=?1"},
    {"answers", "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,document FROM answers WHERE id=?2",
     "DELETE FROM answers WHERE id=?1"},
    {"originals",
     "INSERT INTO damaged(origin,id,reason,document) SELECT ?1,?2,?3,json_array(vendor,device,subsystem_vendor,"
     "subsystem_device,driver,driver_override,scope,operation,boot_id,vf_settings,inode) FROM originals WHERE "
     "address=?2",
     "DELETE FROM originals WHERE address=?1"},
}};

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

// Those that cannot be read are set aside.
Result<std::vector<Original>> select_originals(sqlite3* database) {
  auto statement = prepare(database, "SELECT * FROM originals ORDER BY address");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  std::vector<Original> originals;
  std::vector<DamagedRow> damaged;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row)) {
    auto original = original_from(row);
    if (original) originals.push_back(std::move(*original));
    if (!original) damaged.push_back({"originals", column_text(row, 0), "its address is none"});
  }
  if (status != SQLITE_DONE) return failed(database, "read how devices were");
  statement->reset();
  for (const auto& one : damaged) {
    if (auto moved = transaction(database, [&] { return move_aside(database, one); }); !moved)
      return std::unexpected(moved.error());
  }
  return originals;
}

// Unfinished ones however old they are: the engine brings them to an end.
Result<std::vector<OperationRow>> select_operations(sqlite3* database) {
  auto statement =
      prepare(database,
              "SELECT id,created_at,state,document FROM operations WHERE state IN ('running','blocked') OR id IN "
              "(SELECT id FROM operations ORDER BY created_at DESC LIMIT ?) ORDER BY created_at DESC");
  if (!statement) return std::unexpected(statement.error());
  auto* row = statement->get();
  sqlite3_bind_int(row, 1, static_cast<int>(max_operations));
  std::vector<OperationRow> rows;
  int status = sqlite3_step(row);
  for (; status == SQLITE_ROW; status = sqlite3_step(row))
    rows.push_back({column_text(row, 0), column_text(row, 1), column_text(row, 2), column_text(row, 3)});
  if (status != SQLITE_DONE) return failed(database, "read the operations");
  return rows;
}

}  // namespace

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

Result<> upsert_cordon(sqlite3* database, const CordonRow& row) {
  auto statement = prepare(database, "INSERT OR REPLACE INTO cordons(address,document) VALUES(?,?)");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, row.address);
  bind_text(statement->get(), 2, row.document);
  return run(database, statement->get(), "store that a device is cordoned");
}

Result<> delete_cordon(sqlite3* database, const std::string& address) {
  auto statement = prepare(database, "DELETE FROM cordons WHERE address=?");
  if (!statement) return std::unexpected(statement.error());
  bind_text(statement->get(), 1, address);
  return run(database, statement->get(), "forget that a device is cordoned");
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

// Lines of the audit go from its beginning: between the first and the last one none is missing, but for those that
// could not be read. To count them would read them all.
Result<JournalSize> measure(sqlite3* database) {
  auto statement = prepare(database,
                           "SELECT (SELECT page_count FROM pragma_page_count)*(SELECT page_size FROM pragma_page_size),"
                           "(SELECT count(*) FROM operations),(SELECT count(*) FROM claims),"
                           "(SELECT count(*) FROM answers),"
                           "(SELECT coalesce((SELECT max(id) FROM audit)-(SELECT min(id) FROM audit)+1,0)),"
                           "(SELECT count(*) FROM damaged)");
  if (!statement) return std::unexpected(statement.error());
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return failed(database, "read its size");
  const auto column = [&](int index) {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement->get(), index));
  };
  return JournalSize{.bytes = column(0),
                     .operations = column(1),
                     .claims = column(2),
                     .answers = column(3),
                     .audit = column(4),
                     .damaged = column(5)};
}

Result<Remembered> load(sqlite3* database) {
  Remembered remembered;
  const auto take = [](auto rows, auto& into) -> Result<> {
    if (!rows) return std::unexpected(rows.error());
    into = std::move(*rows);
    return {};
  };
  if (auto done = take(select_originals(database), remembered.originals); !done) return std::unexpected(done.error());
  if (auto done = take(select_operations(database), remembered.operations); !done) return std::unexpected(done.error());
  if (auto done = take(select_claims(database), remembered.claims); !done) return std::unexpected(done.error());
  if (auto done = take(select_cordons(database), remembered.cordons); !done) return std::unexpected(done.error());
  if (auto done = take(select_answers(database), remembered.answers); !done) return std::unexpected(done.error());
  if (auto done = take(select_damaged(database), remembered.damaged); !done) return std::unexpected(done.error());
  return remembered;
}

}  // namespace devbindd::handoff::sql
