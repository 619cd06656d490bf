// SPDX-License-Identifier: Apache-2.0
// The journal on disk: what a next daemon finds, and whom it keeps out.
#include "handoff/journal/journal.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <future>

#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::journal_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

Original original(std::string_view address, const char* driver, const char* driver_override = nullptr) {
  Original made{.address = at(address),
                .vendor = 0x8086,
                .device = 0x10d3,
                .subsystem_vendor = 0xffff,
                .subsystem_device = 1,
                .driver = {},
                .driver_override = {},
                .scope = Scope::Group,
                .operation = "op-1"};
  if (driver != nullptr) made.driver = driver;
  if (driver_override != nullptr) made.driver_override = driver_override;
  return made;
}

OperationRow row(const std::string& id, const std::string& state,
                 const std::string& created = "2026-01-01T00:00:00.000Z") {
  return {id, created, state, R"({"id":")" + id + R"("})"};
}

struct Disk {
  std::string path() const { return (directory.path() / "state.db").string(); }

  /// One life of a daemon: what it found, after `work` was done and is on disk.
  template <class Work>
  Remembered life(Work work, const std::string& boot = "boot-1") {
    auto journal = Journal::open(path(), boot, [](const std::function<void()>& action) { action(); });
    REQUIRE(journal);
    auto found = (*journal)->remembered();
    work(**journal);
    return found;
  }
  Remembered found(const std::string& boot = "boot-1") {
    return life([](Journal&) {}, boot);
  }

  TemporaryDirectory directory;
};

void ignore(const sysfs::Result<>&) {}

void execute(const std::string& path, const char* sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("A new journal is empty") {
  Disk disk;
  const auto found = disk.found();
  CHECK(found.originals.empty());
  CHECK(found.operations.empty());
}

TEST_CASE("What was begun is found by the next daemon, exactly") {
  Disk disk;
  std::vector originals{original("0000:05:00.0", "e1000e"), original("0000:05:00.1", nullptr, "parked"),
                        original("10000:01:00.0", "nvme", "nvme")};
  originals[0].inode = 0x1'0000'1234;
  disk.life([&](Journal& journal) { journal.begin(row("a", "running"), originals, ignore); });
  const auto found = disk.found();
  CHECK(found.originals == originals);
  REQUIRE(found.operations.size() == 1);
  CHECK(found.operations[0].id == "a");
  CHECK(found.operations[0].state == "running");
  CHECK(found.operations[0].created_at == "2026-01-01T00:00:00.000Z");
  CHECK(found.operations[0].document == R"({"id":"a"})");
}

TEST_CASE("A state database of an earlier devbindd is taken over") {
  Disk disk;
  execute(
      disk.path(),
      "CREATE TABLE originals(address TEXT PRIMARY KEY, vendor INTEGER NOT NULL, device INTEGER NOT NULL, "
      "subsystem_vendor INTEGER NOT NULL, subsystem_device INTEGER NOT NULL, driver TEXT, driver_override TEXT, "
      "scope TEXT NOT NULL, operation TEXT NOT NULL, boot_id TEXT NOT NULL) STRICT;"
      "INSERT INTO originals VALUES('0000:05:00.0', 32902, 4307, 32902, 1, 'e1000e', NULL, 'device', 'a', 'boot-1');"
      "PRAGMA user_version=1");
  for (int life = 0; life < 2; ++life) {
    const auto found = disk.found();
    REQUIRE(found.originals.size() == 1);
    CHECK(found.originals[0].driver == "e1000e");
    CHECK(found.originals[0].inode == std::nullopt);
    CHECK(found.originals[0].vf_settings == std::nullopt);
  }
}

TEST_CASE("What an earlier devbindd called a drain is a cordon") {
  Disk disk;
  execute(disk.path(),
          "CREATE TABLE drains(address TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;"
          "INSERT INTO drains VALUES('0000:05:00.0','{}');"
          "PRAGMA user_version=8");
  for (int life = 0; life < 2; ++life) {
    const auto found = disk.found();
    REQUIRE(found.cordons.size() == 1);
    CHECK(found.cordons[0].address == "0000:05:00.0");
  }
}

TEST_CASE("A row that is kept aside leaves its table, with all that it held, and the newest of those stay") {
  Disk disk;
  disk.life([](Journal& journal) {
    journal.begin(row("a", "running"), {original("0000:05:00.0", "e1000e")}, ignore);
    journal.record({.id = 0, .devices = {"0000:05:00.0"}, .document = "\xff{"}, ignore);
    journal.store(ClaimRow{"c", "active", "{"}, ignore);
    journal.store(CordonRow{"0000:05:00.0", "{"}, ignore);
    for (const auto& [table, key] :
         {std::pair("operations", "a"), std::pair("audit", "1"), std::pair("claims", "c"),
          std::pair("cordons", "0000:05:00.0"), std::pair("originals", "0000:05:00.0"), std::pair("audit", "99")})
      journal.set_aside({table, key, "because"}, [](const sysfs::Result<>& moved) { CHECK(moved); });
    journal.set_aside({"sqlite_master", "1", "because"}, [](const sysfs::Result<>& moved) { CHECK_FALSE(moved); });
  });
  const auto found = disk.found();
  CHECK(found.operations.empty());
  CHECK(found.originals.empty());
  CHECK(found.claims.empty());
  CHECK(found.cordons.empty());
  REQUIRE(found.damaged.size() == 5);
  CHECK(found.damaged[0] == DamagedRow{"operations", "a", "because"});
  CHECK(found.damaged[4] == DamagedRow{"originals", "0000:05:00.0", "because"});
  execute(disk.path(),
          "SELECT CASE (SELECT count(*) FROM damaged WHERE document='\xff{') WHEN 1 THEN 1 "
          "ELSE abs(-9223372036854775808) END");
}

namespace {

AuditRow line(std::vector<std::string> devices, std::string document = "{}", std::int64_t age = 0) {
  return {.id = 0,
          .devices = std::move(devices),
          .document = std::move(document),
          .at = age == 0 ? 0 : std::time(nullptr) - age};
}

// The ids, newest first; the last is negative when there are more.
std::vector<std::int64_t> ids(const AuditPage& page) {
  std::vector<std::int64_t> found;
  for (const auto& row : page.rows) found.push_back(row.id);
  if (page.more) found.push_back(-1);
  return found;
}

/// A journal on disk with limits, and what it says of the audit.
struct Audit {
  explicit Audit(const Disk& disk, const AuditLimits& limits = {})
      : journal(Journal::open(
                    disk.path(), "boot-1", [](const std::function<void()>& action) { action(); }, limits)
                    .value()) {}

  void store(AuditRow row) {
    std::promise<bool> stored;
    journal->record(std::move(row), [&stored](const sysfs::Result<>& done) { stored.set_value(done.has_value()); });
    CHECK(stored.get_future().get());
  }
  std::vector<std::int64_t> read(AuditQuery query = {}) {
    std::promise<std::vector<std::int64_t>> read;
    journal->read_audit(std::move(query),
                        [&read](const sysfs::Result<AuditPage>& page) { read.set_value(ids(page.value())); });
    return read.get_future().get();
  }

  std::unique_ptr<Journal> journal;
};

using Ids = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("The audit is bounded by rows, by bytes and by age") {
  Disk disk;
  SECTION("rows") {
    Audit audit(disk, {.rows = 3});
    for (int count = 0; count < 5; ++count) audit.store(line({}));
    CHECK(audit.read() == Ids{5, 4, 3});
  }
  SECTION("bytes") {
    Audit audit(disk, {.bytes = 1000});
    for (int count = 0; count < 5; ++count) audit.store(line({"0000:05:00.0"}, std::string(300, 'x')));
    CHECK(audit.read() == Ids{5, 4, 3});
    audit.store(line({}, std::string(5000, 'x')));  // the newest stays, however long
    CHECK(audit.read() == Ids{6});
    CHECK(audit.read({.device = "0000:05:00.0"}).empty());
  }
  SECTION("age") {
    Audit audit(disk, {.age = std::chrono::hours(1)});
    audit.store(line({"0000:05:00.0"}, "{}", 7200));
    audit.store(line({}, "{}", 3500));
    audit.store(line({}, "{}", 7200));
    CHECK(audit.read() == Ids{3, 2});
    audit.store(line({}));
    CHECK(audit.read() == Ids{4, 2});
    CHECK(audit.read({.device = "0000:05:00.0"}).empty());
  }
}

TEST_CASE("A page of the audit has a limit of lines and of bytes, and says whether there is more") {
  Disk disk;
  Audit audit(disk);
  for (int count = 0; count < 4; ++count) audit.store(line({count % 2 == 0 ? "0000:05:00.0" : "0000:05:00.1"}));
  CHECK(audit.read({.limit = 4}) == Ids{4, 3, 2, 1});
  CHECK(audit.read({.limit = 3}) == Ids{4, 3, 2, -1});
  CHECK(audit.read({.device = "0000:05:00.0", .limit = 1}) == Ids{3, -1});
  CHECK(audit.read({.device = "0000:05:00.0", .before = 3, .limit = 1}) == Ids{1});
  CHECK(audit.read({.device = "0000:05:00.", .limit = 4}).empty());
  for (int count = 0; count < 3; ++count) audit.store(line({}, std::string(max_audit_page_bytes - 100, 'x')));
  CHECK(audit.read({.limit = 100}) == Ids{7, -1});
  CHECK(audit.read({.before = 6, .limit = 100}) == Ids{5, 4, 3, 2, 1});
}

TEST_CASE("The lines of an earlier devbindd are found by device, counted, and grow old from then on") {
  Disk disk;
  execute(
      disk.path(),
      "CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, document TEXT NOT NULL) STRICT;"
      "INSERT INTO audit(device,document) VALUES('0000:05:00.0 0000:05:00.1','{}'),('','{}'),('0000:05:00.1','{}');"
      "PRAGMA user_version=6");
  for (int life = 0; life < 2; ++life) {
    Audit audit(disk);
    CHECK(audit.read() == Ids{3, 2, 1});
    CHECK(audit.read({.device = "0000:05:00.0"}) == Ids{1});
    CHECK(audit.read({.device = "0000:05:00.1"}) == Ids{3, 1});
  }
  Audit audit(disk, {.bytes = 20});
  audit.store(line({}));
  CHECK(audit.read() == Ids{4, 3, 2});  // 2, 2 + 12 and 2 bytes
}

TEST_CASE("Whoever reads the audit keeps no commit waiting") {
  Disk disk;
  Audit audit(disk);
  audit.store(line({}));
  std::promise<void> committed;
  auto when_committed = committed.get_future();
  std::promise<bool> in_time;
  audit.journal->read_audit({}, [&](const sysfs::Result<AuditPage>&) {  // the read is not over before this ends
    in_time.set_value(when_committed.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  });
  audit.journal->begin(row("a", "running"), {}, [&](const sysfs::Result<>&) { committed.set_value(); });
  CHECK(in_time.get_future().get());
}

TEST_CASE("Commits go before reads that wait, where both are done by one thread") {
  std::vector<std::string> order;
  std::promise<void> all_there;
  std::promise<void> over;
  {
    auto journal = Journal::open(":memory:", "boot-1", [](const std::function<void()>& action) { action(); }).value();
    const auto there = all_there.get_future().share();
    journal->begin(row("a", "running"), {}, [&, there](const sysfs::Result<>&) { there.wait(); });
    journal->read_audit({}, [&](const sysfs::Result<AuditPage>&) {
      order.push_back("read");
      over.set_value();
    });
    journal->begin(row("b", "running"), {}, [&](const sysfs::Result<>&) { order.push_back("commit"); });
    all_there.set_value();
    over.get_future().wait();
  }
  CHECK(order == std::vector<std::string>{"commit", "read"});
}

TEST_CASE("Texts are kept byte by byte") {
  Disk disk;
  auto odd = original("0000:05:00.0", "it's; DROP TABLE originals;--", "\xc3\xa9 \"x\"");
  auto operation = row("a'b", "running");
  operation.document = std::string("{\"x\":\"\0y\"}", 10);
  disk.life([&](Journal& journal) { journal.begin(operation, {odd}, ignore); });
  const auto found = disk.found();
  CHECK(found.originals == std::vector{odd});
  CHECK(found.operations[0].document == operation.document);
  CHECK(found.operations[0].id == "a'b");
}

TEST_CASE("The end of an operation replaces its state and forgets what it was told to") {
  Disk disk;
  disk.life([&](Journal& journal) {
    journal.begin(row("a", "running"), {original("0000:05:00.0", "e1000e"), original("0000:05:00.1", "igb")}, ignore);
    journal.finish(row("a", "succeeded"), {at("0000:05:00.0"), at("0000:44:00.0")}, ignore);
  });
  const auto found = disk.found();
  CHECK(found.originals == std::vector{original("0000:05:00.1", "igb")});
  REQUIRE(found.operations.size() == 1);
  CHECK(found.operations[0].state == "succeeded");
}

TEST_CASE("A record replaces the one of another device at the same address") {
  Disk disk;
  disk.life([&](Journal& journal) {
    journal.begin(row("a", "running"), {original("0000:05:00.0", "e1000e")}, ignore);
    journal.begin(row("b", "running"), {original("0000:05:00.0", "igb")}, ignore);
  });
  CHECK(disk.found().originals == std::vector{original("0000:05:00.0", "igb")});
}

TEST_CASE("After a reboot the records of devices are gone, the operations are not") {
  Disk disk;
  disk.life(
      [&](Journal& journal) { journal.begin(row("a", "running"), {original("0000:05:00.0", "e1000e")}, ignore); });
  const auto found = disk.found("boot-2");
  CHECK(found.originals.empty());
  CHECK(found.operations.size() == 1);
  CHECK(disk.found("boot-1").originals.empty());  // gone for good
}

TEST_CASE("Only the newest operations are kept, and unfinished ones always") {
  Disk disk;
  const auto time = [](std::size_t index) { return "2026-01-01T00:" + std::to_string(100'000 + index); };
  disk.life([&](Journal& journal) {
    journal.begin(row("oldest", "blocked", time(0)), {}, ignore);
    for (std::size_t index = 1; index <= max_operations + 5; ++index) {
      journal.begin(row("op-" + std::to_string(index), "succeeded", time(index)), {}, ignore);
    }
    journal.finish(row("last", "succeeded", time(max_operations + 6)), {}, ignore);
  });
  const auto found = disk.found();
  CHECK(found.operations.size() == max_operations + 1);
  CHECK(found.operations.front().id == "last");
  CHECK(found.operations.back().id == "oldest");
  CHECK(std::ranges::count(found.operations, "op-7", &OperationRow::id) == 1);
  CHECK(std::ranges::count(found.operations, "op-6", &OperationRow::id) == 0);
}

TEST_CASE("A state database of a newer devbindd is left alone") {
  Disk disk;
  disk.found();
  execute(disk.path(), "PRAGMA user_version=99");
  const auto opened = Journal::open(disk.path(), "boot-1", [](const std::function<void()>& action) { action(); });
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == sysfs::ErrorCode::JournalFailed);
  CHECK(opened.error().message.find("newer") != std::string::npos);
}

TEST_CASE("A second daemon on the same state is kept out") {
  Disk disk;
  disk.life([&](Journal&) {
    const auto second = Journal::open(disk.path(), "boot-1", [](const std::function<void()>& action) { action(); });
    REQUIRE_FALSE(second);
    CHECK(second.error().code == sysfs::ErrorCode::JournalFailed);
  });
  disk.found();  // afterwards it may come in
}

TEST_CASE("A file that is no database, or a directory that is not there, is refused") {
  TemporaryDirectory directory;
  const auto open = [](const std::filesystem::path& path) {
    return Journal::open(path.string(), "boot-1", [](const std::function<void()>& action) { action(); });
  };
  execute((directory.path() / "x.db").string(), "CREATE TABLE t(x)");
  std::filesystem::resize_file(directory.path() / "x.db", 100);
  CHECK(open(directory.path() / "x.db").error().code == sysfs::ErrorCode::JournalFailed);
  CHECK(open(directory.path() / "missing" / "x.db").error().code == sysfs::ErrorCode::JournalFailed);
  CHECK(open(directory.path()).error().code == sysfs::ErrorCode::JournalFailed);
}

TEST_CASE("A change that could not be stored is told, and nothing of it is kept") {
  Disk disk;
  disk.found();
  execute(disk.path(),
          "CREATE TRIGGER no BEFORE INSERT ON originals WHEN NEW.driver='igb' BEGIN SELECT RAISE(ABORT,'full'); END");
  std::vector<bool> stored;
  disk.life([&](Journal& journal) {
    const auto note = [&stored](const sysfs::Result<>& result) { stored.push_back(result.has_value()); };
    journal.begin(row("bad", "running"), {original("0000:05:00.0", "e1000e"), original("0000:05:00.1", "igb")}, note);
    journal.begin(row("good", "running"), {original("0000:05:00.2", "e1000e")}, note);
  });
  CHECK(stored == std::vector{false, true});
  const auto found = disk.found();
  CHECK(found.originals == std::vector{original("0000:05:00.2", "e1000e")});
  REQUIRE(found.operations.size() == 1);
  CHECK(found.operations[0].id == "good");
}

TEST_CASE("Answers come through post, in the order of the calls, the last ones before the journal ends") {
  std::vector<std::function<void()>> posted;  // by the journal's thread; read when that has ended
  std::vector<int> order;
  {
    auto journal = Journal::open(":memory:", "boot-1", [&posted](std::function<void()> action) {
                     posted.push_back(std::move(action));
                   }).value();
    for (int index = 0; index < 50; ++index) {
      journal->begin(row(std::to_string(index), "running"), {},
                     [&order, index](const sysfs::Result<>&) { order.push_back(index); });
    }
  }
  CHECK(order.empty());
  for (const auto& action : posted) action();
  CHECK(order.size() == 50);
  CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("Nothing is written to the kernel when the journal cannot be") {
  Disk disk;
  disk.found();
  execute(disk.path(), "CREATE TRIGGER no BEFORE INSERT ON operations BEGIN SELECT RAISE(ABORT,'full'); END");
  Stage stage(usual_machine(), disk.path());
  const auto refusal = stage.refused(bind_request("0000:05:00.0"));
  CHECK(refusal.error.code == sysfs::ErrorCode::JournalFailed);
  CHECK(stage.kernel.writes().empty());
  CHECK(stage.engine->originals().all().empty());
  CHECK(stage.engine->operations().id_on(at("0000:05:00.0")).empty());
  CHECK(stage.refused(bind_request("0000:05:00.0")).error.code == sysfs::ErrorCode::JournalFailed);  // not: in progress
}

TEST_CASE("Its size is that of the last time that somebody asked, and of the start", "[journal][metrics]") {
  const Disk disk;
  {
    auto journal = Journal::open(disk.path(), "boot-1", [](const std::function<void()>& action) { action(); });
    REQUIRE(journal);
    CHECK((*journal)->size().operations == 0);
    std::promise<void> stored;
    (*journal)->begin(row("a", "running"), {}, [](const sysfs::Result<>&) {});
    for (int line = 0; line < 3; ++line)
      (*journal)->record({.id = 0, .devices = {}, .document = "{}"}, [](const sysfs::Result<>&) {});
    (*journal)->finish(row("a", "succeeded"), {}, [&stored](const sysfs::Result<>&) { stored.set_value(); });
    stored.get_future().wait();
  }
  auto journal = Journal::open(disk.path(), "boot-1", [](const std::function<void()>& action) { action(); });
  REQUIRE(journal);
  const auto size = (*journal)->size();
  CHECK(size.operations == 1);
  CHECK(size.audit == 3);
  CHECK(size.claims == 0);
  CHECK(size.bytes >= 4096);
}

TEST_CASE("Each line of the audit is told when it is on disk, and none that is not", "[journal][audit]") {
  const Disk disk;
  std::vector<std::string> told;
  {
    auto journal = Journal::open(disk.path(), "boot-1", [](const std::function<void()>& action) { action(); });
    REQUIRE(journal);
    const auto nothing = [](const sysfs::Result<>&) {};
    (*journal)->when_audited([&told](const AuditRow& line) { told.push_back(line.document); });
    auto with_audit = row("a", "running");
    with_audit.audit = AuditRow{.id = 0, .devices = {}, .document = "\"begun\""};
    (*journal)->begin(with_audit, {}, nothing);
    with_audit.audit->document = "\"ended\"";
    (*journal)->finish(with_audit, {}, nothing);
    (*journal)->finish(row("b", "succeeded"), {}, nothing);
    (*journal)->record({.id = 0, .devices = {}, .document = "\"refused\""}, nothing);
    sqlite3* other = nullptr;
    std::promise<void> stored;
    (*journal)->record({.id = 0, .devices = {}, .document = "\"last\""},
                       [&stored](const sysfs::Result<>&) { stored.set_value(); });
    stored.get_future().wait();
    REQUIRE(sqlite3_open(disk.path().c_str(), &other) == SQLITE_OK);
    REQUIRE(sqlite3_exec(other, "DROP TABLE audit_devices; DROP TABLE audit", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(other);
    (*journal)->record({.id = 0, .devices = {}, .document = "\"lost\""}, nothing);
  }
  CHECK(told == std::vector<std::string>{"\"begun\"", "\"ended\"", "\"refused\"", "\"last\""});
}

}  // namespace devbindd::journal_test
