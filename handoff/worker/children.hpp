// SPDX-License-Identifier: Apache-2.0
// The ends of the daemon's own child processes. Only those are reaped: others may belong to a library.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>
#include <set>

namespace devbindd::handoff {

class Children : public std::enable_shared_from_this<Children> {
 public:
  explicit Children(boost::asio::io_context& io);

  /// From now on those that end are reaped (SIGCHLD).
  void watch();
  /// It may have ended before.
  void add(pid_t pid);
  void stop_watching() noexcept { signals_.reset(); }

 private:
  void reap();

  std::optional<boost::asio::signal_set> signals_;  ///< nullopt: no longer watched
  std::set<pid_t> running_;
};

}  // namespace devbindd::handoff
