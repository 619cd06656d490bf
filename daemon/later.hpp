// SPDX-License-Identifier: Apache-2.0
// Work that is done a while later, unless the daemon has ended by then.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace devbindd::daemon {

/// Runs `work` where `io` runs.
inline void run_later(boost::asio::io_context& io, std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

}  // namespace devbindd::daemon
