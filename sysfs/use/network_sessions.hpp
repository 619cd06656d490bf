// SPDX-License-Identifier: Apache-2.0
// Protocols that take a network interface without an address on it or an interface above it, as files of /proc and
// sysfs show them. Only this network namespace. Not here: what sockets tell (socket_diag.hpp), and stacks and routes
// (network_dump.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Interface by name, and what runs on it.
using NamedSession = std::pair<std::string, std::string>;

/// "00000007 02:00:00:00:00:01     eth0": drivers/net/ppp/pppoe.c, pppoe_seq_show.
std::vector<NamedSession> parse_pppoe(std::string_view text);
/// " 0 eth0       1500 ...": net/ipv4/ipmr.c, ipmr_vif_seq_show; net/ipv6/ip6mr.c.
std::vector<NamedSession> parse_multicast_interfaces(std::string_view text);
/// "   can0     123   7ff ...": net/can/proc.c, can_print_rcvlist.
std::vector<NamedSession> parse_can_receivers(std::string_view text);
/// "eth0             03E8:0A  03E8-03E9  0": net/appletalk/atalk_proc.c; a routing daemon that has no address yet is
/// none.
std::vector<NamedSession> parse_apple_talk(std::string_view text);
/// The groups that somebody has joined at an interface and that reach beyond its link: net/ipv4/igmp.c,
/// igmp_mc_seq_show; net/ipv6/mcast.c, igmp6_mc_seq_show. The kernel joins groups of the link by itself, and so do
/// usual services.
std::vector<NetworkSession> parse_multicast_groups(std::string_view version4, std::string_view version6);
/// The sockets that are bound to one interface: net/packet/af_packet.c, packet_seq_show.
std::vector<BoundSocket> parse_packet_sockets(std::string_view text);

/// Adds to `state` the sessions and packet sockets of its first namespace, which must be the caller's own: PPPoE,
/// multicast routing, multicast groups, AppleTalk, CAN receivers, packet generators, netconsole, ATA over Ethernet,
/// software RDMA, Fibre Channel over Ethernet that is enabled. What is not there, such as a protocol whose module is
/// not loaded, is none; what cannot be read becomes a gap, and so does netconsole, since the kernel does not show the
/// interface that it was given as a parameter. Source besides the above: net/core/pktgen.c (/proc/net/pktgen);
/// drivers/net/netconsole.c (configfs); drivers/block/aoe/aoeblk.c (netif); drivers/infiniband/sw/rxe/rxe_verbs.c
/// (parent); drivers/scsi/fcoe/fcoe_sysfs.c (ctlr_N below the interface, enabled).
void add_sessions(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
