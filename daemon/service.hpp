// SPDX-License-Identifier: Apache-2.0
// The daemon put together: pool of workers, engine, server, uevents, signals, systemd. Runs until it is told to stop.
#pragma once

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// Exit statuses, as systemd and scripts see them.
enum ExitStatus { exit_ok = 0, exit_failure = 1, exit_usage = 2, exit_configuration = 78 };

/// Reads the configuration again; the sentence that says why it cannot be used.
using ReadConfiguration = std::function<std::expected<Configuration, std::string>()>;

/// Runs the service with the worker command `worker` (program and first arguments, behind which LOCKS and LABEL go).
/// Returns the exit status; where a worker
/// or an operation is stuck in the kernel it ends the process directly, since nothing could be waited for.
int run_service(const Configuration& configuration, std::vector<std::string> worker, ReadConfiguration read_again);

/// What `devbindd --worker LOCKS LABEL` does: serves tasks on descriptor 3, holds its lock in the file LOCKS ("" for
/// none), and shows in its last argument what it works on.
int run_worker_process(const std::string& locks, std::span<char> label);

}  // namespace devbindd::daemon
