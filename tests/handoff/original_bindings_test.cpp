// SPDX-License-Identifier: Apache-2.0
// How devices were before devbindd touched them, and which of them are incomplete.
#include "handoff/operation/original_bindings.hpp"

#include <algorithm>

#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"
#include "tests/handoff/operation_parts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::original_bindings_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using Addresses = std::vector<sysfs::PciAddress>;

struct Bench {
  Bench() : bindings(stage.engine->services()) {}

  sysfs::Device device(const std::string& address) { return stage.engine->find_device(at(address)).value(); }
  MemberFacts member(const std::string& address) {
    MemberFacts made;
    made.device = device(address);
    return made;
  }
  Part part(ChangeRequest request, std::vector<MemberFacts> members) {
    return {std::move(request), facts_of(std::move(members))};
  }
  /// As of an operation that has begun on the device.
  void know(const std::string& address) {
    bindings.add(bindings.untouched(part(bind_request(address), {member(address)}), "op"));
  }

  Stage stage{usual_machine()};
  OriginalBindings bindings;
};

Operation failed(std::string id, const std::string& address, std::optional<bool> restored) {
  auto made = operation(std::move(id), address, "e1000e", "vfio-pci", OperationState::Failed);
  made.error.emplace();
  made.error->restored = restored;
  if (restored == false) made.error->unrestored.push_back(at(address));
  if (!restored) made.error->unknown.push_back(at(address));
  return made;
}

OperationTable::Past past(std::vector<Operation> newest_first) {
  OperationTable::Past made;
  for (auto& one : newest_first) made.push_back(std::make_shared<const Operation>(std::move(one)));
  return made;
}

}  // namespace

TEST_CASE("A device that was not touched before is recorded as it is, once") {
  Bench bench;
  auto facts = bench.member(card);
  facts.driver_override = "e1000e";
  const auto found = bench.bindings.untouched(bench.part(bind_request(card, "vfio-pci", Scope::Group), {facts}), "op");
  REQUIRE(found.size() == 1);
  CHECK(found.front().address == at(card));
  CHECK(found.front().driver == "e1000e");
  CHECK(found.front().driver_override == "e1000e");
  CHECK(found.front().scope == Scope::Group);
  CHECK(found.front().operation == "op");
  CHECK(bench.bindings.all().empty());  // until the journal has it
  bench.bindings.add(found);
  facts.original = bench.bindings.find(facts.device);
  REQUIRE(facts.original);
  CHECK(bench.bindings.untouched(bench.part(bind_request(card), {facts}), "next").empty());
}

TEST_CASE("What keeps its driver, or is about to vanish, has nothing to be given back") {
  Bench bench;
  auto vanishing = bench.member(pair0);
  vanishing.to_vanish = true;
  CHECK(
      bench.bindings.untouched(bench.part(functions_request(card, 2), {bench.member(card), vanishing}), "op").empty());
}

TEST_CASE("Devices that a new ID captures are recorded, and those that lose one are not") {
  Bench bench;
  auto adds = bench.part(id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"), {});
  adds.facts.id_captures = {at(pair1)};
  CHECK(bench.bindings.untouched(adds, "op").size() == 1);
  auto removes = bench.part(id_request(ChangeKind::RemoveId, "vfio-pci", "8086 10d3"), {});
  removes.facts.id_captures = {at(pair1)};
  CHECK(bench.bindings.untouched(removes, "op").empty());
}

TEST_CASE("A record is for the very device, and not for the next one at its address") {
  Bench bench;
  bench.know(card);
  CHECK(bench.bindings.find(bench.device(card)));
  auto other = bench.device(card);
  other.inode = other.inode.value_or(0) + 1;
  CHECK_FALSE(bench.bindings.find(other));
  CHECK_FALSE(bench.bindings.find(bench.device(disk)));
}

TEST_CASE("An end forgets what is as it was found, and keeps what is not") {
  Bench bench;
  bench.know(card);
  const auto taken = operation("1", card, "e1000e", "vfio-pci", OperationState::Succeeded);
  CHECK(bench.bindings.take_end(taken).empty());
  SECTION("given back") {
    const auto back = operation("2", card, "vfio-pci", "e1000e", OperationState::Succeeded);
    CHECK(bench.bindings.take_end(back) == Addresses{at(card)});
    CHECK(bench.bindings.all().empty());
  }
  SECTION("a failure that was undone, of the first change") {
    CHECK(bench.bindings.take_end(failed("2", card, true)) == Addresses{at(card)});
  }
  SECTION("a failure that was not") { CHECK(bench.bindings.take_end(failed("2", card, false)).empty()); }
  SECTION("gone") {
    bench.stage.kernel.remove_device(card);
    CHECK(bench.bindings.take_end(taken) == Addresses{at(card)});
  }
  SECTION("destroyed and made anew") {
    auto remade = taken;
    remade.transitions.front().remade = true;
    CHECK(bench.bindings.take_end(remade) == Addresses{at(card)});
  }
}

TEST_CASE("A device is incomplete from an operation that could not be undone to one that succeeds") {
  Bench bench;
  for (const auto restored : {std::optional(false), std::optional<bool>()}) {
    static_cast<void>(bench.bindings.take_end(failed("bad", card, restored)));
    CHECK(bench.bindings.left_incomplete_by(at(card)) == "bad");
    static_cast<void>(bench.bindings.take_end(failed("undone", card, true)));
    CHECK(bench.bindings.left_incomplete_by(at(card)) == "bad");
    auto functions = operation("functions", card, "e1000e", "e1000e", OperationState::Succeeded);
    functions.request = functions_request(card, 2);
    static_cast<void>(bench.bindings.take_end(functions));  // which leaves it alone, however it is
    CHECK(bench.bindings.left_incomplete_by(at(card)) == "bad");
    static_cast<void>(bench.bindings.take_end(operation("ok", card, "", "vfio-pci", OperationState::Succeeded)));
    CHECK(bench.bindings.left_incomplete_by(at(card)).empty());
  }
}

TEST_CASE("Of what an earlier daemon kept, the newest operation of this boot tells how a device was left") {
  Bench bench;
  auto of_before = failed("of-before", disk, false);
  of_before.boot_id = "boot-0";
  bench.bindings.adopt(
      {original_for(bench.device(card))},
      past({operation("ok", pair0, "e1000e", "vfio-pci", OperationState::Succeeded), failed("bad", card, false),
            failed("older", card, false), failed("bad-too", pair0, false), of_before}));
  CHECK(bench.bindings.all().size() == 1);
  CHECK(bench.bindings.left_incomplete_by(at(card)) == "bad");
  CHECK(bench.bindings.left_incomplete_by(at(pair0)).empty());
  CHECK(bench.bindings.left_incomplete_by(at(disk)).empty());
}

TEST_CASE("What is known of a removed device is forgotten, and of one that was replaced while no daemon ran") {
  Bench bench;
  bench.know(card);
  bench.know(disk);
  static_cast<void>(bench.bindings.take_end(failed("bad", card, false)));
  SECTION("removed") { bench.bindings.forget({at(card), at(pair0)}); }
  SECTION("replaced") {
    bench.stage.kernel.remove_device(card);
    bench.stage.kernel.add_device({.address = card, .group = 1, .driver = "e1000e"});
    REQUIRE(bench.stage.engine->current());
    bench.bindings.forget_replaced(OperationTable("boot-1"));
  }
  CHECK(bench.bindings.left_incomplete_by(at(card)).empty());
  CHECK_FALSE(bench.bindings.all().contains(at(card)));
  CHECK(bench.bindings.all().contains(at(disk)));
}

TEST_CASE("A VF that an unfinished operation destroys keeps its record: its undo needs it") {
  Bench bench;
  bench.know(card);
  bench.stage.kernel.remove_device(card);
  REQUIRE(bench.stage.engine->current());
  OperationTable table("boot-1");
  auto made = operation("one", card, "e1000e", "");
  made.transitions.front().remade = true;
  table.add(shared(made));
  bench.bindings.forget_replaced(table);
  CHECK(bench.bindings.all().contains(at(card)));
  table.end("one");
  bench.bindings.forget_replaced(table);
  CHECK(bench.bindings.all().empty());
}

}  // namespace devbindd::original_bindings_test
