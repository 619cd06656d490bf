// SPDX-License-Identifier: Apache-2.0
// systemd, as far as it has started this daemon: the sockets that it passes, and what it is told. Without it nothing
// happens here. Source: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace devbindd::daemon {

/// A socket that systemd has opened for this daemon.
struct PassedSocket {
  enum class Kind { Unix, Tcp, Other };  ///< Other: it does not listen, or is of another family
  int descriptor = -1;
  Kind kind = Kind::Other;
  std::string name;  ///< FileDescriptorName= of its unit
};

class Supervisor {
 public:
  /// Asks a worker for a sign of life; `answered` is called when that comes, or never.
  using Ping = std::function<void(std::function<void()> answered)>;

  explicit Supervisor(boost::asio::io_context& io) : watchdog_(io) {}

  /// All of them. Asked once: it takes the environment's word for them away.
  static std::vector<PassedSocket> passed_sockets();

  /// Feeds the watchdog from now on, from the thread that answers requests, as long as a worker answers too: if the one
  /// or the other hangs, a new daemon is started.
  void start(Ping ping);
  /// The daemon does its work from now on.
  void ready(const std::string& status);
  /// What goes on, for `systemctl status`; the same as before is not sent again.
  void status(const std::string& text);
  /// The configuration is read again, until ready() says that it is in force.
  void reloading();
  void stopping();

 private:
  void wait();
  void look();

  boost::asio::steady_timer watchdog_;
  std::chrono::microseconds between_looks_{0};
  Ping ping_;
  std::string status_;
  /// Looks since the last sign of life; it outlives this while one is on its way.
  std::shared_ptr<int> silent_ = std::make_shared<int>(0);
};

}  // namespace devbindd::daemon
