// SPDX-License-Identifier: Apache-2.0
// Changes that the kernel does not finish: an unbind hangs while somebody has the device open.
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::engine_blocked_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Machine : Stage {
  Machine() : Stage(usual_machine()) {}
  /// The card is on VFIO, somebody opens it, and a give-back that accepts this hangs.
  std::string hanging_restore() {
    carry_out(bind_request(card));
    kernel.open_device(card, 4242, "qemu-system-x86");
    const auto decision = decide(accepting(request_of(ChangeKind::Restore, card), {"vfio.open"}));
    const auto id = std::get<Accepted>(decision).operation;
    settled(id);
    return id;
  }
  void let_go() {
    kernel.close_device(card);
    workers.resume();
  }
  nlohmann::json finished(const std::string& id) {
    run_until(io, [&] {
      return document_of(*engine, id)["state"] != "blocked" && engine->operations().id_on(at(card)).empty();
    });
    return document_of(*engine, id);
  }
};

}  // namespace

TEST_CASE("An open device is refused with who has it open") {
  Machine machine;
  machine.carry_out(bind_request(card));
  machine.kernel.open_device(card, 4242, "qemu-system-x86");
  const auto refusal = machine.refused(request_of(ChangeKind::Restore, card));
  REQUIRE(refusal.error.code == sysfs::ErrorCode::Refused);
  REQUIRE(refusal.evidence.size() == 1);
  CHECK(refusal.evidence.front().code == "vfio.open");
  REQUIRE_FALSE(refusal.evidence.front().processes.empty());
  CHECK(refusal.evidence.front().processes.front().command == "qemu-system-x86");
}

TEST_CASE("An unbind that hangs is told as blocked, with who holds it up, and ends when they let go") {
  Machine machine;
  const auto id = machine.hanging_restore();
  const auto document = document_of(*machine.engine, id);
  CHECK(document["state"] == "blocked");
  CHECK(document["blocked"]["worker_pid"].get<int>() >= 9000);
  REQUIRE_FALSE(document["blocked"]["holders"].empty());
  CHECK(document["blocked"]["holders"][0]["pid"] == 4242);
  CHECK(document["steps"][1]["state"] == "blocked");
  CHECK(machine.engine->operations().id_on(at(card)) == id);
  CHECK_FALSE(machine.engine->operations().is_busy());  // the daemon may end: nobody knows how long this takes

  machine.let_go();
  const auto done = machine.finished(id);
  CHECK(done["state"] == "succeeded");
  CHECK(done["blocked"].is_null());
  CHECK(machine.kernel.bindings().at(card) == "e1000e override -");
  CHECK(machine.engine->originals().all().empty());
}

TEST_CASE("While one group is blocked the others go on, and its own requests name the operation") {
  Machine machine;
  const auto id = machine.hanging_restore();
  CHECK(machine.carry_out(bind_request("0000:07:00.0"))["state"] == "succeeded");
  const auto refusal = machine.refused(bind_request(card));
  CHECK(refusal.error.code == sysfs::ErrorCode::OperationInProgress);
  CHECK(refusal.operation == id);
  CHECK(documents_of(*machine.engine, "blocked").size() == 1);

  machine.let_go();
  machine.finished(id);
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
}

TEST_CASE("A driver_override whose read hangs delays nobody") {
  Machine machine;
  machine.kernel.set_override_takes_lock(true);
  const auto id = machine.hanging_restore();
  std::optional<OverrideAnswers> answers;
  machine.engine->readers().overrides().read({at(card), at("0000:07:00.2")}, {.name = "uid 0"},
                                             [&](OverrideAnswers read) { answers = std::move(read); });
  run_until(machine.io, [&] { return answers.has_value(); });
  CHECK(answers->at(at(card)).error().code == sysfs::ErrorCode::Overdue);
  CHECK(answers->at(at("0000:07:00.2")).value() == "nvme");
  machine.let_go();
  CHECK(machine.finished(id)["state"] == "succeeded");
}

TEST_CASE("A device that somebody else's hanging unbind keeps is refused as stuck, also in a dry run") {
  Machine machine;
  machine.kernel.block("sys/bus/pci/devices/" + card + "/driver_override");
  const auto refusal = machine.refused(bind_request(card));
  REQUIRE(refusal.error.code == sysfs::ErrorCode::Refused);
  CHECK(refusal.evidence.front().code == "device.stuck");
  CHECK(machine.refused(accepting(bind_request(card), {"device.stuck"})).error.code == sysfs::ErrorCode::Refused);
  const auto preview = machine.decide(bind_request(card), true);
  CHECK(std::get<Preview>(preview).refused_by.front().code == "device.stuck");
  CHECK(machine.kernel.writes().empty());
  CHECK(machine.workers.held() == 1);  // asked once

  machine.kernel.unblock("sys/bus/pci/devices/" + card + "/driver_override");
  machine.workers.resume();
  machine.io.restart();
  machine.io.poll();
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
}

TEST_CASE("A bind that hangs and then fails is undone like any other") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  const std::string bind = "sys/bus/pci/drivers/vfio-pci/bind";
  machine.kernel.block(bind, card);
  const auto decision = machine.decide(bind_request(card));
  const auto id = std::get<Accepted>(decision).operation;
  CHECK(machine.settled(id)["state"] == "blocked");
  machine.kernel.refuse_probe("vfio-pci", card, ETIMEDOUT);
  machine.kernel.unblock(bind, card);
  machine.workers.resume();
  const auto done = machine.finished(id);
  CHECK(done["state"] == "failed");
  CHECK(done["error"]["errno"] == "ETIMEDOUT");
  CHECK(done["error"]["restored"] == true);
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("An undo that hangs blocks the operation and ends it when the kernel lets go") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  const std::string bind = "sys/bus/pci/drivers/e1000e/bind";
  machine.kernel.refuse_probe("vfio-pci", card, EIO);
  machine.kernel.block(bind, card);
  const auto id = std::get<Accepted>(machine.decide(bind_request(card))).operation;
  const auto document = machine.settled(id);
  CHECK(document["state"] == "blocked");
  CHECK_FALSE(document["error"].is_null());
  machine.kernel.unblock(bind, card);
  machine.workers.resume();
  CHECK(machine.finished(id)["state"] == "failed");
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("Two requests for one group at the same moment: one is carried out, the other is told which") {
  Machine machine;
  std::vector<Decision> decisions;
  for (int count = 0; count < 2; ++count) {
    machine.engine->submit(bind_request(count == 0 ? "0000:07:00.0" : "0000:07:00.1"), {}, false,
                           [&decisions](Decision decision) { decisions.push_back(std::move(decision)); });
  }
  run_until(machine.io, [&] { return decisions.size() == 2; });
  const auto accepted =
      std::ranges::count_if(decisions, [](const auto& decision) { return std::holds_alternative<Accepted>(decision); });
  const auto refused = std::ranges::count_if(decisions, [](const auto& decision) {
    const auto* refusal = std::get_if<Refusal>(&decision);
    return refusal != nullptr && refusal->error.code == sysfs::ErrorCode::OperationInProgress &&
           !refusal->operation.empty();
  });
  CHECK(accepted == 1);
  CHECK(refused == 1);
}

TEST_CASE("A virtual function cannot be changed while its physical function is") {
  Machine machine;
  machine.kernel.add_driver({.name = "lastdriver"});
  machine.kernel.add_device({.address = "0000:0c:00.0", .device = 0x10c9, .group = 20, .driver = "igb", .totalvfs = 2});
  machine.kernel.add_device({.address = "0000:0c:10.0", .device = 0x10ca, .group = 21, .physfn = "0000:0c:00.0"});
  machine.kernel.block("sys/bus/pci/drivers/igb/unbind", "0000:0c:00.0");
  const auto decision =
      machine.decide(accepting(request_of(ChangeKind::Unbind, "0000:0c:00.0"), {"sriov.vfs_enabled"}));
  const auto id = std::get<Accepted>(decision).operation;
  CHECK(machine.settled(id)["state"] == "blocked");
  CHECK(machine.refused(bind_request("0000:0c:10.0")).operation == id);
}

TEST_CASE("With as many operations under way as may be, a change is refused and a dry run is answered") {
  constexpr unsigned most = 64;
  const auto address_of = [](unsigned number) {
    return sysfs::to_string(
        sysfs::PciAddress{0, static_cast<std::uint8_t>(0x20 + number / 8), static_cast<std::uint8_t>(number % 8), 0});
  };
  const auto kernel = usual_machine();
  for (unsigned number = 0; number <= most; ++number)
    kernel->add_device(
        {.address = address_of(number), .group = 100 + number, .driver = "vfio-pci", .driver_override = "vfio-pci"});
  Stage stage(kernel);
  std::vector<std::string> hanging;
  for (unsigned number = 0; number < most; ++number) {
    kernel->open_device(address_of(number), 4242, "qemu-system-x86");
    const auto decision = stage.decide(accepting(request_of(ChangeKind::Unbind, address_of(number)), {"vfio.open"}));
    hanging.push_back(std::get<Accepted>(decision).operation);
  }
  for (const auto& id : hanging) CHECK(stage.settled(id)["state"] == "blocked");
  const auto request = request_of(ChangeKind::Unbind, address_of(most));
  CHECK(stage.refused(request).error.code == sysfs::ErrorCode::TooBusy);
  CHECK(std::get<Preview>(stage.decide(request, true)).refused_by.empty());
}

}  // namespace devbindd::engine_blocked_test
