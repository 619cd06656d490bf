// SPDX-License-Identifier: Apache-2.0
// Who waits for the processor when there is too little of it. Not here: what for.
#pragma once

#include <sys/types.h>

namespace devbindd::sysfs {

/// Nice values (sched(7)): 0 is the share of whoever says nothing.
constexpr int a_third = 5;   ///< of that share
constexpr int a_tenth = 10;  ///< of it

/// The calling thread takes from now on a tenth of what others of this process get, and more where nobody else wants
/// it. A thread has a nice value of its own on Linux. Source: sched(7). Where that is forbidden it stays as it was.
void yield_as_thread();

/// The same of another process that leads a session, with its nice value. A kernel that gives each session the same
/// share looks at nothing but the session's own nice value. Source: sched(7), "The autogroup feature".
void yield_as_session(pid_t leader, int nice);

}  // namespace devbindd::sysfs
