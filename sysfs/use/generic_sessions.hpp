// SPDX-License-Identifier: Apache-2.0
// Protocols on an interface that only generic netlink tells of: TIPC's bearers, and WireGuard's peers at link-local
// addresses, to which no route leads. Not here: what files tell (network_sessions.hpp).
#pragma once

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Adds them as sessions to `state`, whose first namespace must be the caller's own. Each is asked for only where its
/// module is loaded, since the kernel would load it for the question; a failure becomes a gap. WireGuard needs
/// CAP_NET_ADMIN. Source: include/uapi/linux/tipc_netlink.h, wireguard.h, genetlink.h.
void add_generic_sessions(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
