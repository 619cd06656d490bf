// What the host does with the network interfaces of one PCI function, followed upward through everything stacked on
// them. Pure: facts in, uses out. Not here: where the facts come from (network_state.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/network_state.hpp"
#include "sysfs/use.hpp"

namespace devbindd::sysfs {

/// `own_parents` are the names by which interfaces tell their parent device: the PCI address and the devices below it
/// ("virtio0", "1-1:1.0"). `client_local_address` is the address at which the caller of the API reached the daemon.
/// Gives DefaultRoute, Address, Master, OtherNamespace and ApiClient, each with the way to it; Carrier only for an
/// interface that has none of them. An address that is link-local, and loopback for ApiClient, are no use.
/// Stacks are followed by IFLA_LINK (VLAN, macvlan, ipvlan), by IFLA_MASTER (bond, bridge, team, VRF), and from a port
/// of Open vSwitch to all its internal ports, since rtnetlink does not tell which of them it serves.
std::vector<Use> network_uses(const NetworkState& state, const std::vector<std::string>& own_parents,
                              const std::optional<std::string>& client_local_address);

/// Whether any namespace that could be read has an interface of these parents.
bool has_interface(const NetworkState& state, const std::vector<std::string>& own_parents);

}  // namespace devbindd::sysfs
