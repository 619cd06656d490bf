// What a new daemon finds of an earlier one: the records on disk.
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

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

}  // namespace

TEST_CASE("A device is given back by another daemon than the one that took it") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  machine.stage->carry_out(bind_request("0000:07:00.0", "vfio-pci", Scope::Group));
  machine.restart();
  CHECK(machine.stage->engine->originals().size() == 3);
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, "0000:07:00.1"))["state"] == "succeeded");
  CHECK(machine.kernel->bindings() == before);
  machine.restart();
  CHECK(machine.stage->engine->originals().empty());
  CHECK(machine.stage->engine->documents("succeeded").size() == 2);
}

TEST_CASE("What was known of a card that was replaced while no daemon ran is not applied to the next one") {
  Machine machine;
  // The first one had no driver, and another tool's override.
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .group = 1, .driver_override = "igb"});
  machine.stage->carry_out(bind_request(card));
  CHECK(machine.stage->engine->originals().contains(at(card)));
  machine.restart();
  CHECK(machine.stage->engine->originals().contains(at(card)));
  machine.stage.reset();
  machine.kernel->remove_device(card);
  SECTION("by another of the same make") {
    machine.kernel->add_device({.address = card, .group = 1, .driver = "e1000e"});
    machine.kernel->lose_uevents();
    machine.restart();
    CHECK(machine.stage->engine->originals().empty());
    CHECK(machine.stage->carry_out(bind_request(card))["state"] == "succeeded");
    CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
    CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
  }
  SECTION("or by none") {
    machine.restart();
    CHECK(machine.stage->engine->originals().empty());
  }
  machine.restart();
  CHECK(machine.stage->engine->originals().empty());
}

TEST_CASE("After a reboot nothing is given back: the kernel has forgotten it all") {
  Machine machine;
  machine.stage->carry_out(bind_request(card));
  machine.restart("boot-2");
  CHECK(machine.stage->engine->originals().empty());
  CHECK(machine.stage->refused(request_of(ChangeKind::Restore, card)).error.code == sysfs::ErrorCode::NothingToRestore);
  CHECK(machine.stage->engine->documents("").size() == 1);
}

TEST_CASE("A change that failed and was undone leaves no record") {
  Machine machine;
  machine.kernel->refuse_probe("vfio-pci", card, EIO);
  CHECK(machine.stage->carry_out(bind_request(card))["state"] == "failed");
  machine.restart();
  CHECK(machine.stage->engine->originals().empty());
}

TEST_CASE("A change whose undo failed keeps its record, so that a give-back can still finish it") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  machine.kernel->refuse_probe("vfio-pci", card, EIO);
  machine.kernel->refuse_probe("e1000e", card, EIO);
  CHECK(machine.stage->carry_out(bind_request(card))["error"]["code"] == "restore_failed");
  machine.kernel->refuse_probe("e1000e", card, 0);
  machine.restart();
  REQUIRE(machine.stage->engine->originals().contains(at(card)));
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  CHECK(machine.kernel->bindings() == before);
}
