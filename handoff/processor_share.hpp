// Who waits for the processor when there is too little of it: what answers questions of readers, and not the thread that
// does everything else. Not here: what the questions are.
#pragma once

#include <sys/types.h>

namespace devbindd::handoff {

/// The calling thread takes from now on a tenth of what others of this process get, and more where nobody else wants it.
/// Source: sched(7), "The nice value": a thread has one of its own on Linux. Where that is forbidden it stays as it was.
void yield_as_thread();

/// The same of another process that leads a session. A kernel that gives each session the same share looks at nothing but
/// the session's own nice value. Source: sched(7), "The autogroup feature".
void yield_as_session(pid_t leader);

}  // namespace devbindd::handoff
