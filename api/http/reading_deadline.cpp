// SPDX-License-Identifier: Apache-2.0
#include "api/http/reading_deadline.hpp"

#include <algorithm>
#include <utility>

namespace devbindd::api {
namespace {

// A timer that is set to a moment this near need not be set anew for the shorter of the times that follow each other.
constexpr std::chrono::seconds longest_sleep{5};

}  // namespace

void ReadingDeadline::start(std::chrono::milliseconds time, std::function<void()> on_late) {
  auto& state = *state_;
  state.late = false;
  state.due = Clock::now() + time;
  state.on_late = std::move(on_late);
  if (state.armed > state.due) arm(state_, std::min(state.due, Clock::now() + longest_sleep));
}

void ReadingDeadline::end() {
  state_->late = false;
  state_->due = Clock::time_point::max();
  state_->on_late = {};
}

void ReadingDeadline::arm(const std::shared_ptr<State>& state, Clock::time_point when) {
  state->armed = when;
  state->timer.expires_at(when);
  state->timer.async_wait([weak = std::weak_ptr(state)](const boost::system::error_code& error) {
    const auto alive = weak.lock();
    // A timer that has struck cannot be taken back any more, only be set anew.
    if (error || !alive || alive->armed > Clock::now()) return;
    alive->armed = Clock::time_point::max();
    strike(alive);
  });
}

void ReadingDeadline::strike(const std::shared_ptr<State>& state) {
  const auto now = Clock::now();
  if (state->due == Clock::time_point::max()) return;
  if (state->due > now) return arm(state, std::min(state->due, now + longest_sleep));
  state->late = true;
  state->due = Clock::time_point::max();
  if (const auto on_late = std::exchange(state->on_late, {})) on_late();
}

}  // namespace devbindd::api
