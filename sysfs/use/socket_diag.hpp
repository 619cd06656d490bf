// SPDX-License-Identifier: Apache-2.0
// What sockets of the calling thread's network namespace say about interfaces: AF_XDP sockets, connections between
// link-local addresses, which need no address that counts as one, and sockets of IP that are bound to one interface
// (SO_BINDTODEVICE). Not here: packet sockets (network_sessions.hpp).
#pragma once

#include <cstddef>
#include <string_view>

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// How many sockets of a protocol, such as "XDP", are there: from /proc/net/protocols (net/core/sock.c,
/// proto_seq_printf).
std::size_t count_of_protocol(std::string_view protocols, std::string_view name);

/// Adds the namespace's AF_XDP sockets, its TCP and UDP connections whose peer is link-local as sessions, and other
/// sockets of TCP, UDP and raw IP that are bound to an interface as packet sockets, to `state`, whose first namespace
/// must be the caller's own. Many kernels count AF_XDP sockets without a way to ask for their interfaces
/// (CONFIG_XDP_SOCKETS_DIAG is off). What else the kernel cannot tell, since it lacks the protocol, is none; another
/// failure becomes a gap. Source: sock_diag(7); include/uapi/linux/xdp_diag.h (kernel 5.1), inet_diag.h. The kernel
/// loads its modules for that by itself (tcp_diag, udp_diag, raw_diag).
void add_socket_facts(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
