// SPDX-License-Identifier: Apache-2.0
#include "api/http/reading_deadline.hpp"

#include <utility>

namespace devbindd::api {

void ReadingDeadline::start(std::chrono::milliseconds time, std::function<void()> on_late) {
  state_->late = false;
  state_->timer.expires_after(time);
  state_->timer.async_wait(
      [weak = std::weak_ptr(state_), on_late = std::move(on_late)](const boost::system::error_code& error) {
        const auto state = weak.lock();
        // A timer that has struck cannot be taken back any more, only be set anew.
        if (error || !state || state->timer.expiry() > std::chrono::steady_clock::now()) return;
        state->late = true;
        on_late();
      });
}

void ReadingDeadline::end() {
  state_->late = false;
  state_->timer.expires_at(std::chrono::steady_clock::time_point::max());
}

}  // namespace devbindd::api
