// SPDX-License-Identifier: Apache-2.0
// Which operations there are: those that run and those of the past.
#include "handoff/operation/operation_table.hpp"

#include <algorithm>

#include "handoff/journal/rows.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::operation_table_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using Ids = std::vector<std::string>;

TimePoint minute(int number) { return TimePoint{} + std::chrono::minutes(number); }

std::shared_ptr<Operation> at_minute(int number, Operation operation) {
  operation.created_at = minute(number);
  return shared(std::move(operation));
}

Operation change_of_functions(const std::string& id, OperationState state, bool autoprobe) {
  auto made = operation(id, physical, "igb", "igb", state);
  made.request = functions_request(physical, 2);
  made.request.functions->autoprobe = autoprobe;
  return made;
}

}  // namespace

TEST_CASE("Running operations come before those of the past, each newest first, and may be asked for by state") {
  OperationTable table("boot-1");
  for (int number = 1; number <= 3; ++number) {
    const auto id = "past-" + std::to_string(number);
    const auto state = number == 2 ? OperationState::Failed : OperationState::Succeeded;
    table.add(at_minute(number, operation(id, card, "e1000e", "vfio-pci", state)));
    table.end(id);
  }
  table.add(at_minute(4, operation("a-older", card, "e1000e", "vfio-pci")));
  table.add(at_minute(5, operation("b-newer", disk, "nvme", "vfio-pci", OperationState::Blocked)));
  CHECK(table.ids({}) == Ids{"b-newer", "a-older", "past-3", "past-2", "past-1"});
  CHECK(table.ids(OperationState::Running) == Ids{"a-older"});
  CHECK(table.ids(OperationState::Blocked) == Ids{"b-newer"});
  CHECK(table.ids(OperationState::Failed) == Ids{"past-2"});
  CHECK(table.is_blocked("b-newer"));
  CHECK_FALSE(table.is_blocked("a-older"));
  CHECK_FALSE(table.is_blocked("past-1"));
  CHECK(table.is_busy());
  table.drop("a-older");
  CHECK_FALSE(table.is_busy());  // one that is blocked does not count
  CHECK(table.ids({}) == Ids{"b-newer", "past-3", "past-2", "past-1"});
}

TEST_CASE("An operation whose steps are done runs until its end is on disk") {
  OperationTable table("boot-1");
  const auto made = shared(operation("one", card, "e1000e", "vfio-pci"));
  table.add(made);
  made->state = OperationState::Failed;
  made->finished_at = minute(1);
  made->error.emplace();
  const auto shown = table.find("one").value();
  CHECK(shown->state == OperationState::Running);
  CHECK_FALSE(shown->finished_at);
  CHECK_FALSE(shown->error);
  CHECK(table.ids(OperationState::Running) == Ids{"one"});
  CHECK(table.ids(OperationState::Failed).empty());
  CHECK(table.id_on(at(card)) == "one");
  CHECK(table.id_on(at(disk)).empty());
  table.end("one");
  CHECK(table.find("one").value()->state == OperationState::Failed);
  CHECK(table.find("one").value()->error);
  CHECK(table.id_on(at(card)).empty());
  CHECK(table.find_running("one") == nullptr);
  const auto none = table.find(std::string(100, 'x'));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == sysfs::ErrorCode::OperationNotFound);
  CHECK(none.error().message.contains(std::string(64, 'x') + " (the last 1000 are kept)"));
}

TEST_CASE("The oldest operations go when there are too many") {
  OperationTable table("boot-1");
  for (std::size_t number = 0; number <= max_operations; ++number) {
    const auto id = std::to_string(number);
    table.add(shared(operation(id, card, "e1000e", "vfio-pci", OperationState::Succeeded)));
    table.end(id);
  }
  CHECK(table.past().size() == max_operations);
  CHECK_FALSE(table.find("0"));
  CHECK(table.find("1"));
  table.end("1");  // it has ended already
  CHECK(table.past().size() == max_operations);
}

TEST_CASE(
    "What an earlier daemon left unfinished runs, and nothing is known of its steps; a damaged row is set aside") {
  Stage stage;
  OperationTable table("boot-1");
  DamagedRows damaged(stage.engine->services());
  auto cut_off = operation("cut-off", card, "e1000e", "vfio-pci", OperationState::Blocked);
  cut_off.blocked = Blockage{};
  cut_off.steps.push_back({.planned = {.step = {sysfs::StepKind::Unbind, at(card), "e1000e"}, .undo = {}},
                           .state = StepState::Failed,
                           .started_at = minute(1),
                           .finished_at = minute(2),
                           .errno_value = 5,
                           .message = "it failed"});
  const auto ended = operation("ended", disk, "nvme", "vfio-pci", OperationState::Succeeded);
  table.adopt({row_of(ended), row_of(cut_off), {.id = "odd", .created_at = {}, .state = "running", .document = "{"}},
              damaged);
  CHECK(table.past().size() == 1);
  const auto running = table.find_running("cut-off");
  REQUIRE(running != nullptr);
  CHECK(running->state == OperationState::Running);
  CHECK_FALSE(running->blocked);
  REQUIRE(running->steps.size() == 1);
  CHECK(running->steps.front().state == StepState::Unknown);
  CHECK_FALSE(running->steps.front().finished_at);
  CHECK(running->steps.front().errno_value == 0);
  CHECK(running->steps.front().message.empty());
  REQUIRE(damaged.all().size() == 1);
  CHECK(damaged.all().front().table == "operations");
  CHECK(damaged.all().front().key == "odd");
  damaged.set_aside(damaged.all().front());  // as when it is read again
  CHECK(damaged.all().size() == 1);
}

TEST_CASE("The operation that binds for a claim is found, running or past, and not the one that gives back") {
  OperationTable table("boot-1");
  auto binds = operation("binds", card, "e1000e", "vfio-pci");
  binds.request = transaction({bind_request(card)});
  binds.request.claim = "claim-1";
  auto gives_back = operation("gives-back", card, "vfio-pci", "e1000e");
  gives_back.request = transaction({request_of(ChangeKind::Restore, card)});
  gives_back.request.claim = "claim-1";
  table.add(shared(binds));
  table.add(shared(gives_back));
  CHECK(table.id_of_claim("claim-1") == "binds");
  CHECK(table.id_of_claim("claim-2").empty());
  table.end("binds");
  CHECK(table.id_of_claim("claim-1") == "binds");
}

TEST_CASE("The last change of a PF's VFs is the newest that succeeded in this boot and counts") {
  OperationTable table("boot-1");
  auto other_boot = change_of_functions("other-boot", OperationState::Succeeded, true);
  other_boot.boot_id = "boot-0";
  for (auto& made : {change_of_functions("first", OperationState::Succeeded, true),
                     change_of_functions("second", OperationState::Succeeded, false),
                     change_of_functions("failed", OperationState::Failed, true), other_boot,
                     operation("another", physical, "igb", "vfio-pci", OperationState::Succeeded)}) {
    table.add(shared(made));
    table.end(made.id);
  }
  const auto with_autoprobe = [](const Operation& change) { return change.request.functions->autoprobe == true; };
  CHECK(table.last_change_of_functions(at(physical)).value().id == "second");
  CHECK(table.last_change_of_functions(at(physical), with_autoprobe).value().id == "first");
  CHECK_FALSE(table.last_change_of_functions(at(card)));
}

TEST_CASE("A VF that a running operation destroys may come back") {
  OperationTable table("boot-1");
  auto made = operation("one", vf0, "igbvf", "");
  made.transitions.front().remade = true;
  table.add(shared(made));
  CHECK(table.remakes(at(vf0)));
  CHECK_FALSE(table.remakes(at(vf1)));
  table.end("one");
  CHECK_FALSE(table.remakes(at(vf0)));
}

TEST_CASE("Operations that have ended are counted by what they were and how long they took", "[metrics]") {
  OperationTable table("boot-1");
  for (const auto state : {OperationState::Succeeded, OperationState::Succeeded, OperationState::Failed}) {
    auto ended = at_minute(1, operation("one", card, "e1000e", "vfio-pci", state));
    ended->finished_at = ended->created_at + std::chrono::seconds(2);
    table.add(ended);
    table.end("one");
  }
  table.add(at_minute(2, operation("dropped", card, "e1000e", "vfio-pci")));
  table.drop("dropped");
  REQUIRE(table.ended().size() == 2);
  const auto& succeeded = table.ended().at({ChangeKind::Bind, OperationState::Succeeded});
  CHECK(succeeded.count() == 2);
  CHECK(succeeded.seconds() == 4);
  CHECK(table.ended().at({ChangeKind::Bind, OperationState::Failed}).count() == 1);
}

}  // namespace devbindd::operation_table_test
