// SPDX-License-Identifier: Apache-2.0
// The processes with rights: the keeper of a daemon that has none, and the workers. Not here: what they do
// (handoff/worker/keeper.hpp, worker.hpp).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "api/render/cdi_files.hpp"
#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// The program and the arguments of a worker: `worker` and behind it LOCKS and LABEL.
std::vector<std::string> worker_command(std::vector<std::string> worker, const Configuration& configuration);

/// None where the daemon never writes.
api::CdiFiles cdi_files_of(const Configuration& configuration);

/// What `devbindd --keep` does: serves the daemon that has connected to systemd's socket (Accept=yes), with what the
/// configuration file says. Returns the exit status.
int run_keeper_process(const Configuration& configuration, const std::string& configuration_file);

/// What `devbindd --worker LOCKS LABEL` does: serves tasks on descriptor 3, holds its lock in the file LOCKS ("" for
/// none), and shows in its last argument what it works on. As `--permitted-worker` it has the memory of permits on
/// descriptor 4, and does only what those name.
int run_worker_process(const std::string& locks, std::span<char> label, bool needs_permits);

}  // namespace devbindd::daemon
