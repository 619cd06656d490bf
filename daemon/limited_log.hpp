// SPDX-License-Identifier: Apache-2.0
// The log of a daemon that everybody on the host may cause lines in: so many of one kind, and how many more there were.
#pragma once

#include <spdlog/common.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>

#include "api/http/server_settings.hpp"
#include "daemon/line_limit.hpp"

namespace devbindd::daemon {

class LimitedLog {
 public:
  explicit LimitedLog(boost::asio::io_context& io) : timer_(io) {}

  /// Lines that differ in numbers alone are of one kind.
  void write(spdlog::level::level_enum level, const std::string& line) { write(level, kind_of(line), line); }
  /// A request that was answered. Lines of one user with one status are of one kind.
  void write(const api::AccessRecord& record);

  /// Whether one more of this kind may be told elsewhere; what may not is counted, and this log says how many.
  bool admit(const std::string& kind);

 private:
  void write(spdlog::level::level_enum level, const std::string& kind, const std::string& line);
  void tell_later();

  boost::asio::steady_timer timer_;
  LineLimit limit_;
  bool waits_ = false;
};

}  // namespace devbindd::daemon
