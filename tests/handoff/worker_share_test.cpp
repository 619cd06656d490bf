// SPDX-License-Identifier: Apache-2.0
// Who gets a worker of a share, and who waits.
#include "handoff/worker/worker_share.hpp"

#include <algorithm>
#include <set>

#include "tests/catch2.hpp"

namespace devbindd::worker_share_test {

namespace {

using namespace devbindd::handoff;

Job job_of(const std::string& asker) {
  return {.task = {ReadVfioFacts{}, {.name = asker}}, .callbacks = {.on_overdue = {}, .on_result = {}}};
}

bool push(WorkerShare& share, const std::string& asker) {
  auto job = job_of(asker);
  return share.push(job);
}

std::string next(WorkerShare& share) {
  const auto job = share.next();
  return job ? job->task.asker.name : std::string{};
}

}  // namespace

TEST_CASE("No more workers are at work at once than the share has, and overdue ones make room until all are stuck") {
  WorkerShare share({.at_once = 2, .workers = 3, .queued = 10, .queued_each = 10});
  CHECK(share.take());
  CHECK(share.take());
  CHECK_FALSE(share.take());
  share.mark_overdue();
  CHECK(share.take());  // the third
  share.mark_overdue();
  CHECK_FALSE(share.take());  // one is at work, two are stuck
  REQUIRE(push(share, "a"));
  CHECK(share.hopeless().empty());
  share.mark_overdue();
  CHECK(share.hopeless().size() == 1);
  CHECK_FALSE(push(share, "a"));
  share.give_back(true);
  CHECK(share.take());
  CHECK(push(share, "a"));
  CHECK(next(share).empty());
  share.give_back(false);
  CHECK(next(share) == "a");
}

TEST_CASE("Askers take turns, however much one of them asks") {
  WorkerShare share({.at_once = 1, .workers = 1, .queued = 100, .queued_each = 50});
  REQUIRE(share.take());
  for (int count = 0; count < 20; ++count) REQUIRE(push(share, "uid 1000"));
  REQUIRE(push(share, "uid 0"));
  REQUIRE(push(share, "uid 7"));
  std::vector<std::string> order;
  for (int count = 0; count < 5; ++count) {
    share.give_back(false);
    order.push_back(next(share));
  }
  CHECK(std::ranges::count(order, "uid 0") == 1);
  CHECK(std::ranges::count(order, "uid 7") == 1);
  CHECK(std::ranges::count(order, "uid 1000") == 3);
  CHECK(std::set<std::string>(order.begin(), order.begin() + 3).size() == 3);
}

TEST_CASE("What waits is bounded for each asker and for all, and a refused job is left as it was") {
  WorkerShare share({.at_once = 1, .workers = 1, .queued = 3, .queued_each = 2});
  REQUIRE(share.take());
  CHECK(push(share, "a"));
  CHECK(push(share, "a"));
  auto job = job_of("a");
  CHECK_FALSE(share.push(job));
  CHECK(job.task.asker.name == "a");
  CHECK(push(share, "b"));
  CHECK_FALSE(push(share, "c"));
  share.give_back(false);
  CHECK_FALSE(next(share).empty());
  CHECK(push(share, "c"));
}

}  // namespace devbindd::worker_share_test
