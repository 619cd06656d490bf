// SPDX-License-Identifier: Apache-2.0
// What is stored, changed and read in each table. Not here: the audit (audit_table.hpp), and what belongs into one
// transaction (journal.cpp). Errors: JournalFailed.
#pragma once

#include <string>

#include "handoff/journal/database.hpp"
#include "handoff/journal/journal.hpp"

namespace devbindd::handoff::sql {

/// Of the claims that have ended the newest max_ended_claims stay.
Result<> upsert_claim(sqlite3* database, const ClaimRow& row);
Result<> upsert_cordon(sqlite3* database, const CordonRow& row);
Result<> delete_cordon(sqlite3* database, const std::string& address);
/// Those of more than a day ago go, and all but the newest max_answers.
Result<> upsert_answer(sqlite3* database, const AnswerRow& row);
Result<> upsert_operation(sqlite3* database, const OperationRow& row);
Result<> insert_original(sqlite3* database, const Original& original, const std::string& boot_id);
Result<> delete_original(sqlite3* database, const sysfs::PciAddress& address);
/// Moves the row from its table to that of damaged rows; a row that is missing is not an error.
Result<> move_aside(sqlite3* database, const DamagedRow& row);
/// Finished operations beyond the limit go.
Result<> trim(sqlite3* database);
/// A reboot has undone every binding.
Result<> drop_other_boots(sqlite3* database, const std::string& boot_id);
/// Without reading the rows themselves.
Result<JournalSize> measure(sqlite3* database);
/// All that a new daemon finds.
Result<Remembered> load(sqlite3* database);

}  // namespace devbindd::handoff::sql
