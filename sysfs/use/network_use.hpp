// SPDX-License-Identifier: Apache-2.0
// What the host does with the network interfaces of one PCI function, followed upward through everything stacked on
// them. Pure: facts in, uses out. Not here: where the facts come from (network_state.hpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/use/network_state.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// The subject of a PacketSocket for AF_XDP sockets whose interface the kernel does not tell.
inline constexpr std::string_view unplaced_xdp_socket = "AF_XDP";
/// What the subject of a PacketSocket begins with that is a multicast group, for which the kernel tells no process.
inline constexpr std::string_view multicast_group = "multicast group ";
/// The subject of a PacketSocket for an interface in promiscuous mode.
inline constexpr std::string_view every_packet = "every packet of the link (promiscuous mode)";
/// The subject of an OtherNamespace without a path whose interface is known to be somewhere.
inline constexpr std::string_view hidden_interface = "hidden";

/// `own_parents` are the names by which interfaces tell their parent device: the PCI address and the devices below it
/// ("virtio0", "1-1:1.0"). `client_local_address` is the address at which the caller of the API reached the daemon.
/// Gives every UseKind of the network, each with the way to it; Carrier only for an interface that has no other,
/// Stacked only for the topmost one of a stack that has none. An address that is link-local, and loopback for
/// ApiClient, are no use. A socket is named "socket:[INODE]", as its owner's descriptor is (socket_owners.hpp). Stacks
/// are followed by IFLA_LINK (VLAN, macvlan, ipvlan, tunnels), by IFLA_MASTER (bond, bridge, team, VRF), by the upper_*
/// links of sysfs, and from a port of Open vSwitch to all its internal ports, since rtnetlink does not tell which of
/// them it serves.
std::vector<Use> network_uses(const NetworkState& state, const std::vector<std::string>& own_parents,
                              const std::optional<std::string>& client_local_address);

/// Whether any namespace that could be read has an interface of these parents.
bool has_interface(const NetworkState& state, const std::vector<std::string>& own_parents);

}  // namespace devbindd::sysfs
