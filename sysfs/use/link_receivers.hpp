// SPDX-License-Identifier: Apache-2.0
// What receives packets at a network interface without an address on it, an interface above it or a socket that the
// kernel lists by the interface's number: LLC, anycast, AX.25, and handlers that the kernel shows by their name alone.
// Not here: protocols that have a file of their own for each interface or session (network_sessions.hpp).
#pragma once

#include <string_view>
#include <vector>

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_sessions.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// " 2   0 52:54:00:00:02:00@42 00:00:00:00:00:00@00 ...": net/llc/llc_proc.c, llc_seq_socket_show. First the hardware
/// address of the interface that the socket is bound to, instead of its name. A socket for all interfaces has zeros,
/// and is left out.
std::vector<NamedSession> parse_llc_sockets(std::string_view text);
/// "3    ens2  20010db8007700000000000000000000     1": net/ipv6/anycast.c, ac6_seq_show. Those of the link are left
/// out: the kernel joins them on every router by itself.
std::vector<NetworkSession> parse_anycast(std::string_view text);
/// "88f8 eth0     ncsi_rcv_rsp [ncsi]": net/core/net-procfs.c, ptype_seq_show. Without the handlers for all interfaces,
/// and without those that another reader tells with more facts: packet sockets, batman, TIPC, Fibre Channel.
std::vector<NamedSession> parse_packet_handlers(std::string_view text);
/// "bpq0  eth0   ff:ff:ff:ff:ff:ff  *": drivers/net/hamradio/bpqether.c, bpq_seq_show. First the interface of AX.25,
/// then the Ethernet interface below it.
std::vector<NamedSession> parse_radio_interfaces(std::string_view text);

/// Adds them to the first namespace of `state`, which must be the caller's own. An interface of AX.25 that is down is
/// none: its module makes one for every Ethernet interface. What is not there is none; what cannot be read is a gap.
void add_receivers(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
