// SPDX-License-Identifier: Apache-2.0
// Where the daemon listens: on the sockets that systemd has opened, and on those of its configuration. Not here: who
// may do what at which (api/http/caller.hpp).
#pragma once

#include <optional>

#include "api/http/server.hpp"
#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// What systemd listens on already is not listened on a second time, whatever the configuration says. `group`: of the
/// Unix socket that is made here. Errors: Kernel; EINVAL for a socket of systemd's that is none to listen on.
sysfs::Result<> open_doors(api::Server& server, const Configuration& configuration, std::optional<unsigned> group);

/// Gives the server the keys and certificates of "tls", where the configuration has it. Errors: Kernel: what there was
/// stays.
sysfs::Result<> use_tls_files(api::Server& server, const Configuration& configuration);

}  // namespace devbindd::daemon
