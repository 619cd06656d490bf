// SPDX-License-Identifier: Apache-2.0
// The process that a claim lasts as long as: which one it is. Not here: how its end is noticed (owner_watch.hpp).
#pragma once

#include <cstdint>
#include <optional>

#include "sysfs/kernel/result.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::handoff {

/// When a process began, in ticks since the boot; nullopt when there is none, or it has ended. Source: field 22 of
/// /proc/PID/stat, proc(5).
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid);

/// The same, for a process that a claim may last as long as. Error: OwnerNotFound, when there is none, or when the
/// number is that of a thread other than its process's first: no pidfd ends with it.
sysfs::Result<std::uint64_t> start_of_owner(const sysfs::Tree& tree, std::int32_t pid);

}  // namespace devbindd::handoff
