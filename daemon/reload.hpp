// SPDX-License-Identifier: Apache-2.0
// What of the configuration can change while the daemon runs: "access", "log_level" and the files of "tls". Not here:
// when it is read again (service.cpp).
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "api/http/server.hpp"
#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// The group that the Unix socket is given to; nullopt where there is none of that name, and for a read-only daemon
/// that is not root's: it gives its socket to nobody.
std::optional<unsigned> socket_group(const Configuration& configuration);

/// The rules of the configuration with the numbers of users and groups; what is nobody is told in the log.
api::AccessRules access_of(const Configuration& configuration);

/// Puts `next` in force, or says in the log why what was in force stays so: then nothing of it is. Who is connected
/// stays so. `current`: what the daemon was started with.
void use_again(api::Server& server, const Configuration& current,
               const std::expected<Configuration, std::string>& next);

}  // namespace devbindd::daemon
