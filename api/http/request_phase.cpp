// SPDX-License-Identifier: Apache-2.0
#include "api/http/request_phase.hpp"

#include <utility>

namespace devbindd::api {

HeadTime RequestPhase::read_head(bool begun, bool lasts) {
  const bool was_idle = std::exchange(idle_, !begun);
  if (begun) return was_idle ? HeadTime::Header : HeadTime::Running;
  if (lasts) return HeadTime::Unlimited;
  return first_ ? HeadTime::Header : HeadTime::Idle;
}

void RequestPhase::take_head() {
  first_ = false;
  idle_ = false;
  awaits_head_ = false;
}

void RequestPhase::end_request(Clock::time_point now) {
  idle_ = true;
  awaits_head_ = true;
  idle_since_ = now;
}

std::optional<RequestPhase::Clock::time_point> RequestPhase::idle_since() const {
  return awaits_head_ ? std::optional(idle_since_) : std::nullopt;
}

}  // namespace devbindd::api
