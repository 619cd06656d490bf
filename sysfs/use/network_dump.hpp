// SPDX-License-Identifier: Apache-2.0
// One network namespace by rtnetlink: the one that the calling thread is in. Which namespaces there are:
// network_state.cpp.
#pragma once

#include <vector>

#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// The interfaces of the calling thread's namespace with their addresses, routes and programs. `own_namespace` is a
/// descriptor of the daemon's own namespace, by which stacks that reach out of this one are recognised; -1 inside the
/// own one. Errors: Kernel, with the errno where netlink gives one.
/// Source: rtnetlink(7); include/uapi/linux/if_link.h (IFLA_PARENT_DEV_NAME: kernel 5.14, ethtool's bus_info before;
/// IFLA_VXLAN_LINK, since IFLA_LINK does not tell of a VXLAN; IFLA_XDP; IFLA_PROP_LIST), pkt_sched.h.
Result<std::vector<NetworkInterface>> dump_network_interfaces(int own_namespace);

/// The interfaces of the calling thread's namespace with what rtnetlink tells of the links alone. Errors: Kernel.
Result<std::vector<NetworkInterface>> dump_links();

}  // namespace devbindd::sysfs
