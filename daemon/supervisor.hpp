// SPDX-License-Identifier: Apache-2.0
// systemd, as far as it has started this daemon: the socket that it passes, and what it is told. Without it nothing
// happens here. Source: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <optional>

namespace devbindd::daemon {

class Supervisor {
 public:
  explicit Supervisor(boost::asio::io_context& io) : watchdog_(io) {}

  /// The listening socket that it has opened for this daemon, if there is one. Asked once: it takes the environment's
  /// word for it away.
  static std::optional<int> passed_socket();

  /// Feeds the watchdog from now on, from the thread that answers requests: if that hangs, a new daemon is started.
  void start();
  void ready(std::size_t devices, bool read_only);
  void stopping();

 private:
  boost::asio::steady_timer watchdog_;
};

}  // namespace devbindd::daemon
