// SPDX-License-Identifier: Apache-2.0
// Claims that are made one after the other, some at once, each with all that it needs: n claims then take n times as
// long as one. Not here: what is done with each (claim_choice.hpp).
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "handoff/claim/claim_attempt.hpp"

namespace devbindd::handoff {

class ClaimLine {
 public:
  /// `begin` is called when the turn of an attempt has come, `end` when it is over, before its answer is given.
  ClaimLine(std::size_t most_at_once, std::function<void(const Attempt&)> begin, std::function<void(ClaimAttempt&)> end)
      : most_at_once_(most_at_once), begin_(std::move(begin)), end_(std::move(end)) {}

  /// Takes the attempt in; its turn may have come at once. Answered with TooBusy when too many wait.
  void add(const Attempt& attempt);
  bool others_wait() const { return !waiting_.empty(); }

 private:
  void go_on();
  ClaimAnswer ending(const Attempt& attempt, ClaimAnswer answer);

  std::size_t most_at_once_;
  std::function<void(const Attempt&)> begin_;
  std::function<void(ClaimAttempt&)> end_;
  std::deque<Attempt> waiting_ = {};
  std::size_t at_work_ = 0;
  bool going_on_ = false;
};

}  // namespace devbindd::handoff
