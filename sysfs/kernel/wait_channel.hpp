// SPDX-License-Identifier: Apache-2.0
// Where in the kernel a process sleeps. Not here: why.
#pragma once

#include <cstdint>
#include <string>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// The kernel's function, "" when it runs at this moment or the kernel does not tell. Of another user's process the
/// kernel shows "0" to whoever may not trace it: then the lender of rights is asked. Source: proc(5), /proc/PID/wchan;
/// fs/proc/base.c, proc_pid_wchan().
std::string wait_channel(const Tree& tree, std::int32_t pid);

}  // namespace devbindd::sysfs
