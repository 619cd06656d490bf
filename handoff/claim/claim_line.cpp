// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_line.hpp"

#include <utility>

namespace devbindd::handoff {
namespace {

constexpr std::size_t most_in_line = 4096;

}  // namespace

void ClaimLine::add(const Attempt& attempt) {
  if (waiting_.size() >= most_in_line)
    return attempt->drop(refusal(sysfs::ErrorCode::TooBusy, "too many claims wait to be made"));
  waiting_.push_back(attempt);
  go_on();
}

void ClaimLine::go_on() {
  if (std::exchange(going_on_, true)) return;
  while (at_work_ < most_at_once_ && !waiting_.empty()) {
    const auto attempt = std::move(waiting_.front());
    waiting_.pop_front();
    ++at_work_;
    attempt->done = ending(attempt, std::move(attempt->done));
    attempt->drop = ending(attempt, std::move(attempt->drop));
    begin_(attempt);
  }
  going_on_ = false;
}

// Its turn ends with its answer, whichever of the two it is.
ClaimAnswer ClaimLine::ending(const Attempt& attempt, ClaimAnswer answer) {
  return [this, at_work = std::weak_ptr(attempt), answer = std::move(answer)](ClaimOutcome outcome) {
    if (const auto over = at_work.lock()) end_(*over);
    --at_work_;
    answer(std::move(outcome));
    go_on();
  };
}

}  // namespace devbindd::handoff
