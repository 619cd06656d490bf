// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "handoff/journal/audit_table.hpp"
#include "handoff/journal/database.hpp"
#include "handoff/journal/journal_thread.hpp"
#include "handoff/journal/schema.hpp"
#include "handoff/journal/tables.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/processor_share.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Result;

Result<sql::Database> open_database(const std::string& path) {
  auto database = sql::open_connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!database) return database;
  auto* raw = database->get();
  // With a write-ahead log whoever reads keeps no commit waiting. A file system without shared memory for it goes on
  // with a rollback journal; EXTRA then also syncs the directory when that goes.
  auto done = sql::execute(raw, "PRAGMA journal_mode=WAL");
  if (done) done = sql::execute(raw, "PRAGMA synchronous=EXTRA");
  if (done) done = sql::prepare_schema(raw);
  if (!done) return std::unexpected(done.error());
  return database;
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

}  // namespace

/// The size as it was last measured. It outlives the journal while a measurement is on its way here.
struct Measured {
  JournalSize size = {};
  bool under_way = false;
};

struct Journal::Impl {
  sysfs::FileDescriptor lock;  // first: it goes last
  sql::Database database;
  sql::Database reading;  ///< for reads of their own thread; null where there can be no second connection
  std::string boot_id;
  Post post;
  AuditLimits limits;
  Remembered remembered;
  /// Outlives the journal while a line is on its way to it.
  std::shared_ptr<const std::function<void(const AuditRow&)>> hear;
  std::shared_ptr<Measured> measured = std::make_shared<Measured>();
  JournalThread commits;
  JournalThread reads;

  void tell(const AuditRow& row) const {
    if (hear) post([hear = hear, row] { (*hear)(row); });
  }

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
    if (auto done = sql::drop_other_boots(database.get(), boot_id); !done) return done;
    auto found = sql::load(database.get());
    if (!found) return std::unexpected(found.error());
    remembered = std::move(*found);
    if (const auto size = sql::measure(database.get())) measured->size = *size;
    if (is_in_memory(path) || !sql::has_write_ahead_log(database.get())) return {};
    auto second = sql::open_connection(path, SQLITE_OPEN_READONLY);
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

void Journal::when_audited(std::function<void(const AuditRow&)> hear) {
  impl_->hear = std::make_shared<const std::function<void(const AuditRow&)>>(std::move(hear));
}

const Remembered& Journal::remembered() const { return impl_->remembered; }

void Journal::begin(OperationRow row, std::vector<Original> originals, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), originals = std::move(originals), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&]() -> Result<> {
      auto stored = sql::upsert_operation(database, row);
      if (stored && row.audit) stored = sql::insert_audit(database, *row.audit, impl->limits);
      for (const auto& original : originals) {
        if (stored) stored = sql::insert_original(database, original, impl->boot_id);
      }
      return stored;
    });
    if (result && row.audit) impl->tell(*row.audit);
    impl->post([done, result] { done(result); });
  });
}

void Journal::finish(OperationRow row, std::vector<sysfs::PciAddress> forget, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), forget = std::move(forget), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&]() -> Result<> {
      auto stored = sql::upsert_operation(database, row);
      if (stored && row.audit) stored = sql::insert_audit(database, *row.audit, impl->limits);
      for (const auto& address : forget) {
        if (stored) stored = sql::delete_original(database, address);
      }
      if (stored) stored = sql::trim(database);
      return stored;
    });
    if (result && row.audit) impl->tell(*row.audit);
    impl->post([done, result] { done(result); });
  });
}

void Journal::forget(std::vector<sysfs::PciAddress> addresses, Done done) {
  impl_->enqueue([impl = impl_.get(), addresses = std::move(addresses), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&]() -> Result<> {
      Result<> stored;
      for (const auto& address : addresses) {
        if (stored) stored = sql::delete_original(database, address);
      }
      return stored;
    });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(ClaimRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::upsert_claim(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(CordonRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::upsert_cordon(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::store(AnswerRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::upsert_answer(database, row); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::drop_cordon(std::string address, Done done) {
  impl_->enqueue([impl = impl_.get(), address = std::move(address), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::delete_cordon(database, address); });
    impl->post([done, result] { done(result); });
  });
}

void Journal::record(AuditRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::insert_audit(database, row, impl->limits); });
    if (result) impl->tell(row);
    impl->post([done, result] { done(result); });
  });
}

void Journal::set_aside(DamagedRow row, Done done) {
  impl_->enqueue([impl = impl_.get(), row = std::move(row), done = std::move(done)] {
    auto* database = impl->database.get();
    auto result = sql::transaction(database, [&] { return sql::move_aside(database, row); });
    impl->post([done, result] { done(result); });
  });
}

JournalSize Journal::size() {
  const auto& measured = impl_->measured;
  if (std::exchange(measured->under_way, true)) return measured->size;
  auto& thread = impl_->reading ? impl_->reads : impl_->commits;
  thread.add_later([impl = impl_.get(), measured] {
    auto* database = impl->reading ? impl->reading.get() : impl->database.get();
    const auto size = sql::guarded<JournalSize>([&] { return sql::measure(database); });
    impl->post([measured, size] {
      measured->under_way = false;
      if (size) measured->size = *size;
    });
  });
  return measured->size;
}

void Journal::read_audit(AuditQuery query, std::function<void(Result<AuditPage>)> done) {
  auto read = [impl = impl_.get(), query = std::move(query), done = std::move(done)] {
    auto* database = impl->reading ? impl->reading.get() : impl->database.get();
    auto page = sql::guarded<AuditPage>([&] { return sql::select_audit(database, query); });
    impl->post([done, page = std::move(page)] { done(page); });
  };
  if (!impl_->reading) return impl_->commits.add_later(std::move(read));
  // Behind what is to be written already: whoever reads after an answer finds what led to it.
  impl_->enqueue([impl = impl_.get(), read = std::move(read)] { impl->reads.add_later(read); });
}

}  // namespace devbindd::handoff
