// SPDX-License-Identifier: Apache-2.0
// Notices the end of a process that the daemon has not started. Not here: what that means (handoff/claim/claims.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>

#include "sysfs/kernel/result.hpp"

namespace devbindd::daemon {

/// Calls `on_end` once on the context's thread, when the process has ended. Gives a function that stops the watch.
/// Errors: Kernel; ESRCH when there is no such process. Source: pidfd_open(2).
sysfs::Result<std::function<void()>> watch_process(boost::asio::io_context& io, std::int32_t pid,
                                                   std::function<void()> on_end);

}  // namespace devbindd::daemon
