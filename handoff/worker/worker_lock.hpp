// SPDX-License-Identifier: Apache-2.0
// By what a worker process is known to later daemons: a lock on a file in the state directory. The kernel says who
// holds it, gives it up when the process is gone and not before, and nobody else can open the file. A process's name
// and command line are no such thing: whoever starts a program chooses them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

/// Opens the file of locks, and makes it where it is not there. Error: JournalFailed.
sysfs::Result<sysfs::FileDescriptor> open_worker_locks(const std::string& path);

/// Takes this process's lock, on the byte of its own number, until the process ends or closes any descriptor of the
/// file. Error: JournalFailed. Source: fcntl(2), advisory record locking.
sysfs::Result<> lock_as_worker(const sysfs::FileDescriptor& locks);

/// The processes that hold one, except this one; 0 for one of another PID namespace. Source: fcntl(2), F_GETLK.
std::vector<std::int32_t> lock_holders(const sysfs::FileDescriptor& locks);

}  // namespace devbindd::handoff
