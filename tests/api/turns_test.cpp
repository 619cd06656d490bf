// SPDX-License-Identifier: Apache-2.0
// Long reads in turns.
#include "api/context/turns.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/catch2.hpp"

namespace devbindd::turns_test {

using namespace devbindd::api;

namespace {

/// What is to run later, and what ran.
struct Loop {
  Turns::Later later() {
    return [this](std::function<void()> work) { queue.push_back(std::move(work)); };
  }
  bool turn() {
    if (queue.empty()) return false;
    auto work = std::move(queue.front());
    queue.pop_front();
    work();
    return true;
  }
  std::deque<std::function<void()>> queue;
};

/// The time that the turns see.
Turns::Clock::time_point clock_now;
Turns::Clock::time_point now() { return clock_now; }

// A step that takes as long as a turn, so that it is alone in one.
Turns::Step slow(std::string& order, char name, int steps) {
  return [&order, name, steps]() mutable {
    clock_now += Turns::turn;
    order += name;
    return --steps > 0;
  };
}

Request reader() {
  Request request;
  request.grant.role = Role::Reader;
  return request;
}

Request root() {
  Request request;
  request.grant.role = Role::Admin;
  return request;
}

Request with_client(std::shared_ptr<bool> gone) {
  auto request = reader();
  request.client_left = std::make_shared<const ClientLeft>([gone = std::move(gone)] { return *gone; });
  return request;
}

}  // namespace

TEST_CASE("short steps share a turn, long ones do not", "[api][turns]") {
  Loop loop;
  Turns turns(now);
  int steps = 0;
  turns.add(reader(), loop.later(), [&steps] {
    clock_now += Turns::turn / 5;
    return ++steps < 5;
  });
  CHECK(steps == 0);
  CHECK(loop.turn());
  CHECK(steps == 5);
  CHECK_FALSE(loop.turn());
  std::string order;
  turns.add(reader(), loop.later(), slow(order, 'a', 3));
  for (int turn = 1; turn <= 3; ++turn) {
    CHECK(loop.turn());
    CHECK(order.size() == static_cast<std::size_t>(turn));
    CHECK(loop.queue.size() == (turn < 3 ? 1U : 0U));  // one turn at a time, between which others run
  }
}

TEST_CASE("pieces of work take turns, those of callers who may change things first", "[api][turns]") {
  Loop loop;
  Turns turns(now);
  std::string order;
  turns.add(reader(), loop.later(), slow(order, 'a', 3));
  turns.add(reader(), loop.later(), slow(order, 'b', 2));
  loop.turn();
  turns.add(root(), loop.later(), slow(order, 'R', 2));
  while (loop.turn()) {
  }
  CHECK(order == "aRRbaba");
}

TEST_CASE("what nobody waits for any more is dropped", "[api][turns]") {
  Loop loop;
  Turns turns(now);
  std::string order;
  const auto gone = std::make_shared<bool>(false);
  const auto held = std::make_shared<int>(1);
  turns.add(with_client(gone), loop.later(), [step = slow(order, 'a', 3), held] { return step(); });
  turns.add(reader(), loop.later(), slow(order, 'b', 2));
  loop.turn();
  *gone = true;
  while (loop.turn()) {
  }
  CHECK(order == "abb");
  CHECK(held.use_count() == 1);
}

TEST_CASE("what throws ends alone", "[api][turns]") {
  Loop loop;
  Turns turns(now);
  std::string order;
  turns.add(reader(), loop.later(), []() -> bool { throw std::runtime_error("for the test"); });
  turns.add(reader(), loop.later(), slow(order, 'b', 1));
  CHECK_THROWS_AS(loop.turn(), std::runtime_error);
  while (loop.turn()) {
  }
  CHECK(order == "b");
}

}  // namespace devbindd::turns_test
