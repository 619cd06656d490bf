// SPDX-License-Identifier: Apache-2.0
// Long reads, a bit at a time: the daemon has one thread, and no answer, however large, holds up another. Not here:
// what is read (the handlers).
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "api/context/waiting_line.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

class Turns {
 public:
  /// Does a small part of the work; true while there is more. It answers by itself when it is through.
  using Step = std::function<bool()>;
  /// Runs a function later on the daemon's thread, behind what is ready to run.
  using Later = std::function<void(std::function<void()>)>;

  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::microseconds turn{500};  ///< a step may take it beyond that, and then it ends

  Turns() = default;
  /// `now`: the time by which turns end.
  explicit Turns(Clock::time_point (*now)()) : state_(std::make_shared<State>(now)) {}

  /// Does the steps of one piece of work, in turns with those of all others; those of callers who may change things
  /// come first. Between two turns everything else that is ready runs. What nobody waits for any more is dropped.
  void add(const Request& request, const Later& later, Step step);

 private:
  struct State {
    explicit State(Clock::time_point (*clock)()) : now(clock) {}

    Clock::time_point (*now)();
    WaitingLine<Step> line;
    bool waits = false;  ///< for its next turn
  };

  static void wait(const std::shared_ptr<State>& state, const Later& later);
  /// Whether there is more to do.
  static bool run(const State& state, const Step& step);

  std::shared_ptr<State> state_ = std::make_shared<State>(&Clock::now);
};

}  // namespace devbindd::api
