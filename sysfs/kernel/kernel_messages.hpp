// SPDX-License-Identifier: Apache-2.0
// What the kernel has sent to a netlink socket that is subscribed to its news. Not here: what the messages say
// (uevent.hpp, network_watch.hpp).
#pragma once

#include <functional>
#include <span>

namespace devbindd::sysfs {

/// Takes all datagrams that are waiting, without blocking; those that a process has sent (nl_pid is not 0) are dropped.
/// Gives whether news may be missing: the kernel had to drop some (ENOBUFS), or the socket cannot be read. Reading
/// everything again is right then. A datagram is at most 32 KiB, as the kernel makes them. Source: netlink(7).
bool take_kernel_messages(int socket, const std::function<void(std::span<const char>)>& take);

}  // namespace devbindd::sysfs
