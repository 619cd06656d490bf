// SPDX-License-Identifier: Apache-2.0
// The daemon put together: pool of workers, engine, server, uevents, signals, systemd. Runs until it is told to stop.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/configuration.hpp"
#include "handoff/worker/keeper_link.hpp"

namespace devbindd::daemon {

/// Exit statuses, as systemd and scripts see them.
enum ExitStatus { exit_ok = 0, exit_failure = 1, exit_usage = 2, exit_configuration = 78 };

/// Reads the configuration again; the sentence that says why it cannot be used.
using ReadConfiguration = std::function<std::expected<Configuration, std::string>()>;

/// Runs the service with the worker command `worker` (program and first arguments, behind which LOCKS and LABEL go), or
/// with those workers that `keeper` starts. Returns the exit status.
int run_service(const Configuration& configuration, std::vector<std::string> worker, ReadConfiguration read_again,
                std::optional<handoff::KeeperConnection> keeper);

}  // namespace devbindd::daemon
