// SPDX-License-Identifier: Apache-2.0
// Which network interfaces carry routes, for the list of devices: read without waiting for anybody. Only this network
// namespace. Not here: what is stacked on an interface (network_stack.hpp), and routes as evidence
// (network_route_dump.hpp).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct Routes {
  std::set<std::string> default_interfaces;  ///< carry a default route, IPv4 or IPv6
  std::set<std::string> routed_interfaces;   ///< stand in an IPv4 route of the main table outside 169.254.0.0/16
};

/// Parses /proc/net/route (IPv4, main table) and /proc/net/ipv6_route. Lines it cannot read are left out; the
/// IPv6 default on `lo` (the kernel's unreachable entry) does not count. Source: net/ipv4/fib_trie.c, net/ipv6/route.c.
Routes parse_routes(std::string_view ipv4, std::string_view ipv6);

/// Reads both files. A file that is missing (no IPv6) counts as empty; another failure is an Error.
Result<Routes> read_routes(const Tree& tree);

}  // namespace devbindd::sysfs
