// SPDX-License-Identifier: Apache-2.0
// The inside of a worker process: takes tasks from the daemon over a socket, performs them one after the other,
// answers. It ends when the daemon's end of the socket closes, so never between two writes of which only one was asked
// for.
#pragma once

#include <span>
#include <string>

#include "handoff/worker/perform.hpp"
#include "handoff/worker/permit_table.hpp"

namespace devbindd::handoff {

/// Serves `socket` until it is closed. Ignores the polite signals: a signal would turn a wait in the kernel that can be
/// interrupted into one that cannot (vfio_unregister_group_dev), and could cut a task in two. Returns the exit status.
/// `label` is the argument of the command line in which it shows what it works on (leftover_workers.hpp), `locks` the
/// file in which it holds its lock meanwhile, "" for none (worker_lock.hpp). A task that it has not begun when the
/// daemon is gone is not performed: the next daemon may have looked for the lock before that. With `permits` it
/// performs what those allow (permit_check.hpp), without them whatever it is asked for.
int run_worker(int socket, const Kernel& kernel, std::span<char> label = {}, const std::string& locks = {},
               const Permits* permits = nullptr);

}  // namespace devbindd::handoff
