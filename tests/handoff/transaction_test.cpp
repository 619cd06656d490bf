// SPDX-License-Identifier: Apache-2.0
// Several requests as one change: one plan, one operation, all or nothing.
#include "handoff/plan/transaction.hpp"

#include <algorithm>
#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/facts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::transaction_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::StepKind;

struct Machine : Stage {
  Machine() : Stage(usual_machine()) {}
};

}  // namespace

TEST_CASE("A request alone is its own part; a transaction hands its accepted risks to its items") {
  CHECK(parts_of(bind_request(card)).size() == 1);
  const auto parts = parts_of(accepting(transaction({bind_request(card), bind_request(pair0)}), {"net.address"}));
  REQUIRE(parts.size() == 2);
  CHECK(parts[1].address == at(pair0));
  CHECK(parts[1].accept_risks == std::vector<std::string>{"net.address"});
}

TEST_CASE("The items are planned one after the other, and a module is loaded once") {
  auto first = facts_of({member("0000:05:00.0", "e1000e")});
  first.drivers["vfio-pci"] = {false, "vfio_pci", sysfs::ModuleState::Loadable};
  auto second = facts_of({member("0000:08:00.0", "igb")});
  second.drivers = first.drivers;
  const auto made = plan({{bind_request("0000:05:00.0"), first}, {bind_request("0000:08:00.0"), second}});
  std::vector<StepKind> kinds;
  for (const auto& planned : made.steps) kinds.push_back(planned.step.kind);
  CHECK(kinds == std::vector{StepKind::LoadModule, StepKind::SetOverride, StepKind::Unbind, StepKind::Bind,
                             StepKind::SetOverride, StepKind::Unbind, StepKind::Bind});
  CHECK(made.transitions.size() == 2);
  CHECK(made.evidence.empty());
}

TEST_CASE("A sibling that goes along does not keep the group from being viable; one that stays does") {
  Machine machine;
  const auto both = std::get<Preview>(machine.decide(transaction({bind_request(pair0), bind_request(disk)}), true));
  CHECK(both.plan.evidence.empty());
  const auto freed = transaction({bind_request(pair0), request_of(ChangeKind::Unbind, disk)});
  CHECK(std::get<Preview>(machine.decide(freed, true)).plan.evidence.empty());
  const auto with_card = transaction({bind_request(pair0), bind_request(card)});
  CHECK(codes(std::get<Preview>(machine.decide(with_card, true)).plan.evidence) ==
        std::vector<std::string>{"group.not_viable"});
  const auto kept = transaction({bind_request(pair1), bind_request(disk, "nvme")});
  const auto evidence = codes(std::get<Preview>(machine.decide(kept, true)).plan.evidence);
  CHECK(std::ranges::count(evidence, "group.not_viable") == 2);  // the disk, and the other function
}

TEST_CASE("A device may be part of one item only") {
  Machine machine;
  const auto twice = machine.refused(transaction({bind_request(pair0, "vfio-pci", Scope::Group), bind_request(disk)}));
  CHECK(twice.error.code == sysfs::ErrorCode::ConflictingItems);
  CHECK(twice.error.message.find(disk) != std::string::npos);
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("A transaction keeps all its groups from others, and is kept by any of them") {
  Machine machine;
  machine.kernel.block("sys/bus/pci/drivers/e1000e/unbind", pair0);
  const auto request = transaction({bind_request("0000:08:00.0"), bind_request(pair0, "vfio-pci", Scope::Group)});
  const auto id = std::get<Accepted>(machine.decide(request)).operation;
  CHECK(machine.settled(id)["state"] == "blocked");
  for (const auto* address : {"0000:08:00.0", "0000:07:00.1"}) {
    const auto refused = machine.refused(bind_request(address));
    CHECK(refused.error.code == sysfs::ErrorCode::OperationInProgress);
    CHECK(refused.operation == id);
  }
  CHECK(machine.refused(transaction({bind_request(card), bind_request(disk)})).operation == id);
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
  machine.kernel.unblock("sys/bus/pci/drivers/e1000e/unbind", pair0);
  machine.workers.resume();
  run_until(machine.io, [&] { return document_of(*machine.engine, id)["state"] == "succeeded"; });
}

TEST_CASE("What one item lacks keeps all of them") {
  Machine machine;
  machine.carry_out(bind_request(card));
  const auto before = machine.kernel.bindings();
  const auto absent = machine.refused(transaction({bind_request(pair0), bind_request("0000:44:00.0")}));
  CHECK(absent.error.code == sysfs::ErrorCode::DeviceNotFound);
  const auto no_group = machine.refused(transaction({bind_request(pair0), bind_request("0000:09:00.0")}));
  CHECK(codes(no_group.evidence) == std::vector<std::string>{"iommu.absent"});
  auto wrong = bind_request(pair0);
  wrong.expect.device = 0x1234;
  const auto other = machine.refused(transaction({bind_request("0000:08:00.0"), wrong}));
  CHECK(other.error.code == sysfs::ErrorCode::IdentityMismatch);
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("Each item keeps the scope that a give-back without scope follows") {
  Machine machine;
  machine.carry_out(transaction({bind_request(card), bind_request(pair0, "vfio-pci", Scope::Group)}));
  CHECK(machine.engine->originals().all().at(at(card)).scope == Scope::Device);
  CHECK(machine.engine->originals().all().at(at(disk)).scope == Scope::Group);
  machine.carry_out(request_of(ChangeKind::Restore, pair1));
  CHECK(machine.engine->originals().all().size() == 1);
}

TEST_CASE("A device that could not be restored is marked, also by the next daemon, until something succeeds on it") {
  const auto kernel = usual_machine();
  const TemporaryDirectory directory;
  const auto journal = (directory.path() / "state.db").string();
  std::string id;
  {
    Stage stage(kernel, journal);
    kernel->fail_nth_write(3, EIO);
    kernel->fail_nth_write(5, EBUSY);
    const auto document = stage.carry_out(bind_request(card));
    id = document["id"];
    CHECK(document["error"]["unrestored"] == nlohmann::json::array({card}));
    CHECK(stage.engine->originals().left_incomplete_by(at(card)) == id);
    CHECK(stage.engine->originals().left_incomplete_by(at(disk)).empty());
    stage.carry_out(bind_request("0000:08:00.0"));
  }
  Stage stage(kernel, journal);
  CHECK(stage.engine->originals().left_incomplete_by(at(card)) == id);
  const auto done = stage.carry_out(request_of(ChangeKind::Restore, card));
  CHECK(done["state"] == "succeeded");
  CHECK(stage.engine->originals().left_incomplete_by(at(card)).empty());
  CHECK(kernel->bindings().at(card) == "e1000e override -");
  Stage next(kernel, (directory.path() / "other.db").string());
  CHECK(next.engine->originals().left_incomplete_by(at(card)).empty());
}

TEST_CASE("The mark of a device goes with the device and with the boot") {
  const auto kernel = usual_machine();
  const TemporaryDirectory directory;
  const auto journal = (directory.path() / "state.db").string();
  {
    Stage stage(kernel, journal);
    kernel->fail_nth_write(3, EIO);
    kernel->fail_nth_write(5, EBUSY);
    stage.carry_out(bind_request(card));
  }
  {
    Stage stage(kernel, journal, "boot-2");
    CHECK(stage.engine->originals().left_incomplete_by(at(card)).empty());
  }
  Stage stage(kernel, journal);
  CHECK_FALSE(stage.engine->originals().left_incomplete_by(at(card)).empty());
  kernel->remove_device(card);
  REQUIRE(stage.engine->current());
  CHECK(stage.engine->originals().left_incomplete_by(at(card)).empty());
}

}  // namespace devbindd::transaction_test
