// SPDX-License-Identifier: Apache-2.0
// How a connection stands between two requests: whether it may stay as it is, which time it has for what comes next,
// and since when another one may come in for it. Pure. Not here: the clock itself (reading_deadline.hpp).
#pragma once

#include <chrono>
#include <optional>

namespace devbindd::api {

/// The time that a connection has for the next bytes of a head.
enum class HeadTime {
  Running,  ///< the one that runs: the clock for a head starts with its first byte, and not anew with each further one
  Header,   ///< that for a head, from now
  Idle,     ///< that for being silent between requests, from now
  Unlimited,  ///< something lasts as long as the connection is open: it may be silent
};

class RequestPhase {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RequestPhase(Clock::time_point connected) : idle_since_(connected) {}

  /// Before bytes of a head are read. `begun`: some are there. `lasts`: something lasts as long as the connection.
  HeadTime read_head(bool begun, bool lasts);
  /// A whole head is there: a request is under way.
  void take_head();
  /// Its answer has left, and the next request is waited for.
  void end_request(Clock::time_point now);

  /// Nothing of a request has come: it may be closed.
  bool idle() const { return idle_; }
  /// Since when no request is under way; nullopt while one is. A head that has come in part is not a request yet.
  std::optional<Clock::time_point> idle_since() const;

 private:
  bool first_ = true;
  bool idle_ = true;
  bool awaits_head_ = true;
  Clock::time_point idle_since_;
};

}  // namespace devbindd::api
