// SPDX-License-Identifier: Apache-2.0
// What devbindd must not forget: operations, and how each device was before devbindd first touched it. SQLite in the
// state directory; commits run in a thread of their own, since an fsync may take long, and are reported through `post`.
// Not here: what to do about an unfinished operation (engine.hpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "handoff/journal/journal_size.hpp"
#include "handoff/model/audit.hpp"
#include "handoff/model/binding_change.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

/// One operation as the journal keeps it.
struct OperationRow {
  std::string id;
  std::string created_at;  ///< RFC 3339
  std::string state;
  std::string document;                ///< JSON of the whole operation (handoff/journal/json.hpp)
  std::optional<AuditRow> audit = {};  ///< stored with it, in the same transaction
};

struct ClaimRow {
  std::string id;
  std::string state;
  std::string document;  ///< JSON of the claim (handoff/journal/claim_document.hpp)
};

struct CordonRow {
  std::string address;
  std::string document;  ///< JSON (handoff/journal/rows.cpp)
};

struct AnswerRow {
  std::string id;        ///< whose key, and the key
  std::string document;  ///< JSON (handoff/journal/kept_answers.cpp)
};

/// A row that nobody can read: it is kept in the table `damaged`, out of the way of the others.
struct DamagedRow {
  std::string table;   ///< "operations", "audit", "claims", "cordons", "originals", "answers"
  std::string key;     ///< of the row there: an id or an address
  std::string reason;  ///< what is wrong with it, without the end of a sentence

  bool operator==(const DamagedRow&) const = default;
};

constexpr std::size_t max_damaged_rows = 1000;  ///< the newest stay
constexpr std::size_t max_ended_claims = 1000;
constexpr std::size_t max_answers = 4096;

/// What a new daemon finds.
struct Remembered {
  std::vector<Original> originals;
  std::vector<OperationRow> operations;  ///< newest first: the newest max_operations, and unfinished ones
  std::vector<ClaimRow> claims;          ///< oldest first
  std::vector<CordonRow> cordons;
  std::vector<AnswerRow> answers;   ///< oldest first, of the last day
  std::vector<DamagedRow> damaged;  ///< oldest first
};

constexpr std::size_t max_operations = 1000;

class Journal {
 public:
  using Done = std::function<void(sysfs::Result<>)>;
  using Post = std::function<void(std::function<void()>)>;

  /// Opens (or makes) the database. ":memory:" for tests. `boot_id` is the kernel's: originals of another boot are
  /// dropped, since a reboot has undone every binding. Error: JournalFailed. `post` runs a function on the caller's
  /// thread; it is called from threads of the journal's. A second journal on the same file is JournalFailed.
  static sysfs::Result<std::unique_ptr<Journal>> open(const std::string& path, const std::string& boot_id, Post post,
                                                      const AuditLimits& limits = {});
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const Remembered& remembered() const;

  /// From now on `hear` is called for each line of the audit, on the caller's thread, when it is on the disk, and
  /// before whoever has asked for it hears of that. Before the first line.
  void when_audited(std::function<void(const AuditRow&)> hear);

  /// Makes the operation and its originals durable before the first write to the kernel. An original replaces
  /// the one of another device that sat at the address earlier. `done` gets JournalFailed when they are not on disk:
  /// then nothing may be written.
  void begin(OperationRow row, std::vector<Original> originals, Done done);
  /// Stores the end of an operation and forgets the originals of `forget`, in one transaction.
  void finish(OperationRow row, std::vector<sysfs::PciAddress> forget, Done done);
  /// Forgets how these devices were.
  void forget(std::vector<sysfs::PciAddress> addresses, Done done);
  /// Stores a claim as it is now; of those that have ended the newest max_ended_claims stay.
  void store(ClaimRow row, Done done);
  /// Stores that a device is cordoned, or forgets it.
  void store(CordonRow row, Done done);
  void drop_cordon(std::string address, Done done);
  /// Stores the answer to a request with a key; those of more than a day ago go, and all but the newest max_answers.
  void store(AnswerRow row, Done done);
  /// Stores a line of the audit of its own; the oldest beyond its limits go.
  void record(AuditRow row, Done done);
  /// Moves a row out of its table into the one of damaged rows. One that is not there is no error.
  void set_aside(DamagedRow row, Done done);
  /// How large it was when this was asked for last, or at the start; it is measured anew beside the commits, so that
  /// whoever asks waits for no disk.
  JournalSize size();
  /// Reads lines of the audit, newest first, beside the commits, which wait for no reader. Error: JournalFailed.
  void read_audit(AuditQuery query, std::function<void(sysfs::Result<AuditPage>)> done);

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devbindd::handoff
