// SPDX-License-Identifier: Apache-2.0
// The time for one thing on a connection: it is over, or it was in time. To put it off costs no system call: the timer
// strikes when it was set to, and is set anew when there is still time. Not here: how long it is, and what is said to
// whoever is late (session.cpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace devbindd::api {

class ReadingDeadline {
 public:
  explicit ReadingDeadline(boost::asio::io_context& io) : state_(std::make_shared<State>(io)) {}

  /// From now; an earlier one counts no more. `on_late` is called when it is over, unless this has gone by then.
  void start(std::chrono::milliseconds time, std::function<void()> on_late);
  /// There is time without end.
  void end();
  bool late() const { return state_->late; }

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    explicit State(boost::asio::io_context& io) : timer(io) {}
    boost::asio::steady_timer timer;
    Clock::time_point due = Clock::time_point::max();
    Clock::time_point armed = Clock::time_point::max();  ///< when the timer strikes; max: it does not
    std::function<void()> on_late = {};
    bool late = false;
  };
  static void arm(const std::shared_ptr<State>& state, Clock::time_point when);
  static void strike(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace devbindd::api
