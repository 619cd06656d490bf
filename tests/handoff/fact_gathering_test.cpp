// SPDX-License-Identifier: Apache-2.0
// The facts of a decision: in stages, and given out only while they are good.
#include "handoff/operation/fact_gathering.hpp"

#include <algorithm>

#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::fact_gathering_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;

/// A gatherer alone, on the kernel and the workers of a stage; a test may do something each time a worker is asked.
struct Bench {
  EngineServices services() {
    auto made = stage.engine->services();
    made.run_task = [this, real = stage.workers.run_task()](Task task, TaskCallbacks callbacks) {
      asked.push_back(task.work.index());
      if (on_task) on_task(task.work.index());
      if (failing != task.work.index()) return real(std::move(task), std::move(callbacks));
      callbacks.on_result(sysfs::fail(ErrorCode::Kernel, "it failed", EIO));
    };
    return made;
  }

  std::expected<Findings, Refusal> gather(Inquiry inquiry) {
    std::optional<std::expected<Findings, Refusal>> answer;
    gatherer.gather(std::move(inquiry), [&answer](std::expected<Findings, Refusal> made) {
      REQUIRE_FALSE(answer.has_value());
      answer.emplace(std::move(made));
    });
    run_until(stage.io, [&answer] { return answer.has_value(); });
    return std::move(*answer);
  }
  std::expected<Findings, Refusal> gather(ChangeRequest request) {
    return gather(Inquiry{.request = std::move(request), .requester = {}});
  }

  /// Somebody's work on the device, begun and ended.
  void work_on(const std::string& address) { static_cast<void>(lock(address, "other")); }
  DeviceLocks::Lock lock(const std::string& address, const std::string& holder) {
    return locks.take(keys_of({stage.inventory.devices().at(at(address))}), holder);
  }
  std::ptrdiff_t times(std::size_t kind) const { return std::ranges::count(asked, kind); }

  Stage stage{usual_machine()};
  std::vector<std::size_t> asked;
  std::function<void(std::size_t)> on_task;
  std::optional<std::size_t> failing;
  EngineServices given = services();
  ClaimLookup claims;
  DeviceLocks locks;
  OperationTable operations{"boot-1"};
  OriginalBindings originals{given};
  DeviceView view{given, operations, originals, stage.engine->cordons()};
  DeviceReaders readers{given.tree, given.inventory, given.run_task};
  MemberSelection selection{given, operations, originals, stage.engine->cordons(), claims};
  FactGatherer gatherer{given, view, readers, selection, locks};
};

}  // namespace

TEST_CASE("The facts of a group are its members as they are, and the keys that a change of them locks") {
  Bench bench;
  const auto found = bench.gather(bind_request(disk, "vfio-pci", Scope::Group));
  REQUIRE(found.has_value());
  CHECK(bench.asked == std::vector{kind_of<ReadOverrides>, kind_of<FindUsage>});  // nothing is on VFIO, and no VF there
  REQUIRE(found->parts.size() == 1);
  const auto& members = found->parts.front().facts.members;
  const auto known = std::ranges::find(members, at(disk), [](const auto& member) { return member.device.address; });
  REQUIRE(known != members.end());
  CHECK(known->driver_override == "nvme");
  CHECK(found->parts.front().facts.drivers.contains("vfio-pci"));
  CHECK(found->keys == LockKeys{"group 2"});
}

TEST_CASE("Work on the same devices that ended meanwhile has the facts read anew, and any other has not") {
  Bench bench;
  bool same = false;
  SECTION("the device itself") {
    bench.on_task = [&](std::size_t) { bench.work_on(disk); };
    same = true;
  }
  SECTION("another one of its group") {
    bench.on_task = [&](std::size_t) { bench.work_on(pair0); };
    same = true;
  }
  SECTION("another group") {
    bench.on_task = [&](std::size_t) { bench.work_on(card); };
  }
  SECTION("before they were asked for") { bench.work_on(disk); }
  const auto work = std::exchange(bench.on_task, {});
  bench.on_task = [&](std::size_t kind) {
    if (work && bench.times(kind) == 1) work(kind);  // in the first round alone
  };
  CHECK(bench.gather(bind_request(disk)).has_value());
  CHECK(bench.times(kind_of<ReadOverrides>) == (same ? 2 : 1));
  CHECK(bench.times(kind_of<FindUsage>) == (same ? 2 : 1));
}

TEST_CASE("Facts that are stale each time are never decided upon") {
  Bench bench;
  int rounds_with_work = max_gathering_rounds;
  SECTION("the last round is good") { rounds_with_work = max_gathering_rounds - 1; }
  SECTION("none is") {}
  bench.on_task = [&](std::size_t kind) {
    if (kind == kind_of<ReadOverrides> && bench.times(kind) <= rounds_with_work) bench.work_on(card);
  };
  const auto found = bench.gather(bind_request(card));
  CHECK(bench.times(kind_of<ReadOverrides>) == max_gathering_rounds);
  CHECK(found.has_value() == (rounds_with_work < max_gathering_rounds));
  if (!found) {
    CHECK(found.error().error.code == ErrorCode::TooBusy);
    CHECK(found.error().operation.empty());
  }
}

TEST_CASE("Where somebody is at work nothing is asked of a worker, and who began meanwhile is in the way") {
  Bench bench;
  DeviceLocks::Lock lock;
  SECTION("before") { lock = bench.lock(pair0, "op-1"); }
  SECTION("meanwhile") {
    bench.on_task = [&](std::size_t kind) {
      if (kind == kind_of<FindUsage>) lock = bench.lock(pair0, "op-1");
    };
  }
  const bool before = !bench.on_task;
  const auto found = bench.gather(bind_request(disk));
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().error.code == ErrorCode::OperationInProgress);
  CHECK(found.error().operation == "op-1");
  CHECK(bench.asked.empty() == before);
}

TEST_CASE("A claim and a cordon that came while the facts were read count") {
  Bench bench;
  bench.on_task = [&](std::size_t) {
    bench.claims.find = [](const sysfs::Device& device) {
      return device.address == at(card) ? std::string("claim-1") : std::string{};
    };
    bench.stage.engine->cordons().set(bench.stage.inventory.devices().at(at(card)), "to be replaced", {},
                                      [](const sysfs::Result<>&) {});
  };
  const auto found = bench.gather(bind_request(card));
  REQUIRE(found.has_value());
  CHECK(found->parts.front().facts.members.front().claimed_by == "claim-1");
  CHECK(found->parts.front().facts.members.front().cordoned == "to be replaced");
}

TEST_CASE("A stage that fails is the last one, and its error is the answer") {
  Bench bench;
  bench.stage.kernel.remove_device("0000:09:00.0");
  auto request = bind_request(card);
  auto code = ErrorCode::Kernel;
  std::vector<std::size_t> asked;
  SECTION("the members") {
    request = bind_request("0000:09:00.0");
    code = ErrorCode::DeviceNotFound;
  }
  SECTION("the serial number") {
    request.expect.serial = "00-00-00-00-00-00-00-01";
    code = ErrorCode::IdentityMismatch;
    asked = {kind_of<ReadConfig>};
  }
  SECTION("the overrides") {
    bench.failing = kind_of<ReadOverrides>;
    asked = {kind_of<ReadOverrides>};
  }
  const auto found = bench.gather(request);
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().error.code == code);
  CHECK(bench.asked == asked);
}

TEST_CASE("Who has it open must be known, and how the host uses it may stay unknown: the verdict tells") {
  Bench bench;
  SECTION("holders") {
    bench.stage.carry_out(bind_request(card));
    bench.failing = kind_of<FindHolders>;
    const auto found = bench.gather(request_of(ChangeKind::Restore, card));
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().error.code == ErrorCode::Kernel);
    CHECK(bench.times(kind_of<FindUsage>) == 0);
  }
  SECTION("uses") {
    bench.failing = kind_of<FindUsage>;
    const auto found = bench.gather(bind_request(card));
    REQUIRE(found.has_value());
    CHECK_FALSE(found->parts.front().facts.members.front().uses_known);
  }
}

TEST_CASE("The recovery of an operation has the state before it as what is to come back, and is not in its own way") {
  Bench bench;
  const auto unfinished = shared(operation("cut-off", card, "igb", "vfio-pci"));
  const auto lock = bench.lock(card, "cut-off");
  bench.claims.find = [](const sysfs::Device&) { return std::string("claim-1"); };
  Inquiry inquiry{.request = request_of(ChangeKind::Restore, card), .requester = {}, .recovers = unfinished};
  const auto found = bench.gather(inquiry);
  REQUIRE(found.has_value());
  const auto& member = found->parts.front().facts.members.at(0);
  CHECK(member.original.value().driver == "igb");
  CHECK(member.original.value().operation == "cut-off");
  CHECK(member.claimed_by.empty());
  inquiry.recovers = shared(operation("another", card, "igb", "vfio-pci"));
  const auto other = bench.gather(inquiry);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().operation == "cut-off");
}

}  // namespace devbindd::fact_gathering_test
