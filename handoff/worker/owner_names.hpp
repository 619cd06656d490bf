// SPDX-License-Identifier: Apache-2.0
// Users and groups of this host by name. Asks the name service, which may take a network: only for workers.
#pragma once

#include <optional>
#include <string>

#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

/// The number of a user, or nullopt when there is none of that name. Error: Kernel, when the name service fails.
/// Source: getpwnam_r(3).
sysfs::Result<std::optional<unsigned>> user_id(const std::string& name);
/// The same for a group; getgrnam_r(3).
sysfs::Result<std::optional<unsigned>> group_id(const std::string& name);

/// The name of a user, or nullopt when none has that number. Errors as user_id(). Source: getpwuid_r(3).
sysfs::Result<std::optional<std::string>> user_name(unsigned uid);
/// The same for a group; getgrgid_r(3).
sysfs::Result<std::optional<std::string>> group_name(unsigned gid);

}  // namespace devbindd::handoff
