// SPDX-License-Identifier: Apache-2.0
// Who waits for an operation, and when they are called.
#include "handoff/operation/operation_waiters.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"

namespace devbindd::operation_waiters_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Bench {
  Bench() { table.add(made); }
  void wait() {
    waiters.when_settled("one", [this] { ++settled; });
    waiters.when_ended("one", [this] { ++ended; });
  }
  void become(OperationState state) {
    made->state = state;
    waiters.changed("one");
  }

  std::shared_ptr<Operation> made = shared(operation("one", "0000:05:00.0", "e1000e", "vfio-pci"));
  OperationTable table{"boot-1"};
  OperationWaiters waiters{table};
  int settled = 0;
  int ended = 0;
};

}  // namespace

TEST_CASE("Whoever waits for an operation to settle is called when it is blocked, and for its end only then") {
  Bench bench;
  bench.wait();
  bench.become(OperationState::Running);
  CHECK(bench.settled == 0);
  bench.become(OperationState::Blocked);
  CHECK(bench.settled == 1);
  CHECK(bench.ended == 0);
  bench.wait();  // it is blocked now: one is called at once
  CHECK(bench.settled == 2);
  CHECK(bench.ended == 0);
  bench.become(OperationState::Running);
  bench.table.end("one");
  bench.waiters.changed("one");
  CHECK(bench.settled == 2);  // each once
  CHECK(bench.ended == 2);
  bench.wait();
  CHECK(bench.settled == 3);
  CHECK(bench.ended == 3);
}

TEST_CASE("An operation whose steps are done has settled when its end is on disk, and not before") {
  Bench bench;
  bench.wait();
  bench.become(OperationState::Succeeded);
  CHECK(bench.settled == 0);
  CHECK(bench.ended == 0);
  bench.table.end("one");
  bench.waiters.changed("one");
  CHECK(bench.settled == 1);
  CHECK(bench.ended == 1);
}

TEST_CASE("Whoever is called may wait again, and others of another operation are not called") {
  Bench bench;
  bench.table.add(shared(operation("two", "0000:08:00.0", "igb", "vfio-pci")));
  int of_other = 0;
  bench.waiters.when_ended("two", [&of_other] { ++of_other; });
  int again = 0;
  bench.waiters.when_settled("one", [&] { bench.waiters.when_ended("one", [&again] { ++again; }); });
  bench.become(OperationState::Blocked);
  CHECK(again == 0);
  bench.table.end("one");
  bench.waiters.changed("one");
  CHECK(again == 1);
  CHECK(of_other == 0);
}

}  // namespace devbindd::operation_waiters_test
