// SPDX-License-Identifier: Apache-2.0
// What a process without rights is lent by one that has them: files opened for reading, room for the kernel's events,
// and where a process sleeps. The lender decides which files. Not here: why a file is needed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// From now on this process borrows through the socket (SOCK_SEQPACKET). Once, before its second thread starts.
void borrow_rights_through(FileDescriptor socket);

/// Opens the file for reading, never blocking; where this process may not, as the lender's. EACCES or EPERM stays the
/// errno where nobody lends. Like ::open(): an empty descriptor and errno.
FileDescriptor open_for_reading(const std::string& path);

/// Has the kernel keep so many bytes for the socket, beyond what this process may ask for. false: it could not.
/// Source: socket(7), SO_RCVBUFFORCE, which takes CAP_NET_ADMIN.
bool widen_receive_buffer(const FileDescriptor& socket, int bytes);

/// /proc/PID/wchan as the lender sees it; "0" where nobody lends.
std::string lent_wait_channel(std::int32_t pid);

/// Lends until the other side has closed: what `may_read` says of a path, any receive buffer up to 16 MiB, and the wait
/// channel of any process.
void lend_rights(const FileDescriptor& socket, const std::function<bool(std::string_view path)>& may_read);

}  // namespace devbindd::sysfs
