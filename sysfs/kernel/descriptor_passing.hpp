// SPDX-License-Identifier: Apache-2.0
// Open descriptors that go along with bytes over a Unix socket (SCM_RIGHTS). Not here: what the bytes say, and whose
// the descriptors are.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// How many go with one message. Source: SCM_MAX_FD in the kernel's include/net/scm.h; unix(7).
constexpr std::size_t max_passed_descriptors = 253;

/// Sends bytes, never raising SIGPIPE; the descriptors go with the first of them and stay open here. Returns how many
/// bytes were taken, at least one. Errors: Kernel; EAGAIN where a socket that does not block is full, EINVAL for too
/// many descriptors.
Result<std::size_t> send_with_descriptors(int socket, std::string_view bytes,
                                          std::span<const FileDescriptor> descriptors);

struct ReceivedBytes {
  std::size_t size = 0;  ///< 0: the other side has closed
  std::vector<FileDescriptor> descriptors;
};

/// Receives what is there, without waiting, and the descriptors that came with it (close-on-exec). Errors: Kernel;
/// EAGAIN when nothing is there, EMFILE when descriptors were lost because this process may not have more.
Result<ReceivedBytes> receive_with_descriptors(int socket, std::span<char> into);

}  // namespace devbindd::sysfs
