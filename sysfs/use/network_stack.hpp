// SPDX-License-Identifier: Apache-2.0
// What is stacked on a network interface, as sysfs links it: bond, bridge, team, VRF, VLAN, macvlan, VXLAN, MACsec. The
// one reader of it, for the list of devices and for the verdict. Only this network namespace: an interface that was
// moved into another one shows nowhere in sysfs, and a tunnel that is only bound to an interface has no link
// (network_dump.hpp).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// The interfaces straight above this one. Source: the upper_* links, net/core/dev.c, netdev_adjacent_sysfs_add.
std::vector<std::string> upper_interfaces(const Tree& tree, const std::string& interface);

/// One way from an interface upwards: {"eth0", "bond0", "bond0.100"}, the interface itself first.
using InterfacePath = std::vector<std::string>;

/// The interface and everything above it. Bounded in depth and number.
std::vector<InterfacePath> stacked_interfaces(const Tree& tree, const std::string& interface);

/// The PCI devices that an interface stands on, itself or by those below it. Bounded in depth and number. Source: the
/// lower_* links, net/core/dev.c, netdev_adjacent_sysfs_add.
std::set<PciAddress> devices_below(const Tree& tree, const std::string& interface);

/// Fills `uppers` of the interfaces that have a parent device, and of all that is above them. The interfaces are those
/// of the namespace that `tree` shows.
void add_uppers(const Tree& tree, std::vector<NetworkInterface>& interfaces);

}  // namespace devbindd::sysfs
