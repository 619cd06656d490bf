// SPDX-License-Identifier: Apache-2.0
// The rules that are in force: those of the configuration with the numbers of the users and groups that they name, or
// the default ones. Asks the name service, once, at the start.
#pragma once

#include <functional>
#include <string>

#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// `group`: that of the Unix socket, nullopt where there is none. `warn` is told of each name that stands for nobody:
/// its rule is for nobody then.
api::AccessRules rules_in_force(const Configuration& configuration, std::optional<unsigned> group,
                                const std::function<void(const std::string&)>& warn);

}  // namespace devbindd::daemon
