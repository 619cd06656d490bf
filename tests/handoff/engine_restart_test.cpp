// SPDX-License-Identifier: Apache-2.0
// What a new daemon finds of an earlier one: the records on disk.
#include <sqlite3.h>

#include <algorithm>

#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::engine_restart_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Machine {
  Machine() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    stage.reset();
    stage = std::make_unique<Stage>(kernel, (directory.path() / "state.db").string(), boot_id);
  }
  TemporaryDirectory directory;
  std::shared_ptr<FakeKernel> kernel = usual_machine();
  std::unique_ptr<Stage> stage;
};

// Between two lives of the daemon.
void execute(const Machine& machine, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((machine.directory.path() / "state.db").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("A row that cannot be read is kept aside and named, and the daemon goes on without it") {
  Machine machine;
  machine.stage->carry_out(bind_request(card));
  machine.stage->carry_out(bind_request("0000:08:00.0"));
  machine.stage.reset();
  const auto document =
      GENERATE(as<std::string>{}, "", "{", "null", "[]", "{}", "json_set(document,'$.devices[0].driver_after',1)",
               "json_remove(document,'$.request')", "json_set(document,'$.state','odd')",
               "json_set(document,'$.id','another')", "json_set(document,'$.error',json('[]'))",
               "json_set(document,'$.devices',json('[1]'))", "json_set(document,'$.steps[0]',2)");
  CAPTURE(document);
  const auto value = document.starts_with("json_") ? document : "'" + document + "'";
  execute(machine, "UPDATE operations SET state='running', document=" + value +
                       " WHERE rowid=(SELECT rowid FROM operations ORDER BY created_at LIMIT 1)");
  execute(machine, "INSERT INTO cordons VALUES('0000:05:00.0','{\"vendor\":1}')");
  execute(machine, "INSERT INTO originals VALUES('nonsense',1,2,3,4,'e1000e',NULL,'device','x','boot-1',NULL,NULL)");
  for (int life = 0; life < 2; ++life) {
    machine.restart();
    CHECK(documents_of(*machine.stage->engine).size() == 1);
    CHECK(documents_of(*machine.stage->engine, "running").empty());
    std::vector<std::string> tables;
    for (const auto& row : machine.stage->engine->damaged_rows().all()) {
      tables.push_back(row.table);
      CHECK(!row.reason.empty());
    }
    CHECK(std::ranges::count(tables, "operations") == 1);
    CHECK(std::ranges::count(tables, "cordons") == 1);
    CHECK(std::ranges::count(tables, "originals") == 1);
    CHECK(tables.size() == 3);
  }
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  machine.stage.reset();
  execute(machine, "SELECT CASE (SELECT count(*) FROM damaged) WHEN 3 THEN 1 ELSE abs(-9223372036854775808) END");
  machine.restart();
}

TEST_CASE("A device is given back by another daemon than the one that took it") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  machine.stage->carry_out(bind_request("0000:07:00.0", "vfio-pci", Scope::Group));
  machine.restart();
  CHECK(machine.stage->engine->originals().all().size() == 3);
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, "0000:07:00.1"))["state"] == "succeeded");
  CHECK(machine.kernel->bindings() == before);
  machine.restart();
  CHECK(machine.stage->engine->originals().all().empty());
  CHECK(documents_of(*machine.stage->engine, "succeeded").size() == 2);
}

TEST_CASE("What was known of a card that was replaced while no daemon ran is not applied to the next one") {
  Machine machine;
  // The first one had no driver, and another tool's override.
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .group = 1, .driver_override = "igb"});
  machine.stage->carry_out(bind_request(card));
  CHECK(machine.stage->engine->originals().all().contains(at(card)));
  machine.restart();
  CHECK(machine.stage->engine->originals().all().contains(at(card)));
  machine.stage.reset();
  machine.kernel->remove_device(card);
  SECTION("by another of the same make") {
    machine.kernel->add_device({.address = card, .group = 1, .driver = "e1000e"});
    machine.kernel->lose_uevents();
    machine.restart();
    CHECK(machine.stage->engine->originals().all().empty());
    CHECK(machine.stage->carry_out(bind_request(card))["state"] == "succeeded");
    CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
    CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
  }
  SECTION("or by none") {
    machine.restart();
    CHECK(machine.stage->engine->originals().all().empty());
  }
  machine.restart();
  CHECK(machine.stage->engine->originals().all().empty());
}

TEST_CASE("After a reboot nothing is given back: the kernel has forgotten it all") {
  Machine machine;
  machine.stage->carry_out(bind_request(card));
  machine.restart("boot-2");
  CHECK(machine.stage->engine->originals().all().empty());
  CHECK(machine.stage->refused(request_of(ChangeKind::Restore, card)).error.code == sysfs::ErrorCode::NothingToRestore);
  CHECK(documents_of(*machine.stage->engine).size() == 1);
}

TEST_CASE("A change that failed and was undone leaves no record") {
  Machine machine;
  machine.kernel->refuse_probe("vfio-pci", card, EIO);
  CHECK(machine.stage->carry_out(bind_request(card))["state"] == "failed");
  machine.restart();
  CHECK(machine.stage->engine->originals().all().empty());
}

TEST_CASE("A change whose undo failed keeps its record, so that a give-back can still finish it") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  machine.kernel->refuse_probe("vfio-pci", card, EIO);
  machine.kernel->refuse_probe("e1000e", card, EIO);
  CHECK(machine.stage->carry_out(bind_request(card))["error"]["code"] == "restore_failed");
  machine.kernel->refuse_probe("e1000e", card, 0);
  machine.restart();
  REQUIRE(machine.stage->engine->originals().all().contains(at(card)));
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  CHECK(machine.kernel->bindings() == before);
}

}  // namespace devbindd::engine_restart_test
