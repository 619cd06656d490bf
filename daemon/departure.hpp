// SPDX-License-Identifier: Apache-2.0
// The daemon's end: operations that move are let go to their end. A blocked one cannot be waited for, and the journal
// knows it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>

namespace devbindd::daemon {

class Departure {
 public:
  explicit Departure(boost::asio::io_context& io) : io_(io), timer_(io) {}

  /// Stops the loop when nothing is `busy` any more and the last answers have left, at the `deadline` at the latest.
  void begin(const std::function<bool()>& busy, std::chrono::steady_clock::time_point deadline);

 private:
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
};

}  // namespace devbindd::daemon
