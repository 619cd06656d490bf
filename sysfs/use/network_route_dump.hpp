// SPDX-License-Identifier: Apache-2.0
// The routes of the calling thread's network namespace, put to the interfaces through which they leave: routes of every
// table and family, directly or by nexthop objects and groups of them. Not here: other facts of an interface
// (network_dump.hpp).
#pragma once

#include <vector>

#include "sysfs/kernel/netlink_route.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Fills `default_route`, `routes` (at most a few) and `idle_next_hops` of the interfaces. Left out is what the kernel
/// adds by itself (protocol "kernel": prefixes of addresses, local and multicast routes) and what leads to no other
/// network: link-local and multicast destinations of unicast routes. Errors: Kernel.
/// Source: rtnetlink(7), include/uapi/linux/rtnetlink.h and nexthop.h (kernel 5.3); net/ipv4/nexthop.c. A route by a
/// nexthop object tells no interface of its own where sysctl net.ipv4.nexthop_compat_mode is 0.
Result<> dump_routes(nl_sock* socket, std::vector<NetworkInterface>& interfaces);

}  // namespace devbindd::sysfs
