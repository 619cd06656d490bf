// SPDX-License-Identifier: Apache-2.0
// Which processes have given sockets. Reads the descriptors of all processes in /proc, which can take long on a large
// host: worker processes only, and only when there is a socket to be named.
#pragma once

#include <vector>

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// Fills `processes` of the uses whose subject is a socket: "socket:[INODE]", as the descriptor's link in /proc reads.
/// One that no visible process has stays without. For AF_XDP sockets whose interface the kernel does not tell
/// (unplaced_xdp_socket): the processes that have mapped the rings of one. Nothing is read where no use has such a
/// subject. Source: proc(5).
void add_socket_owners(const Tree& tree, std::vector<Use>& uses);

}  // namespace devbindd::sysfs
