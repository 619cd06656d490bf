// SPDX-License-Identifier: Apache-2.0
// What nftables does at single interfaces of the calling thread's network namespace. Not here: tc
// (traffic_redirects.hpp), and rules that only name an interface.
#pragma once

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Marks the interfaces that have a chain or flowtable of nftables (NetworkInterface::traffic_control), and adds a
/// session for each that rules there send packets of others into (fwd, dup). Nothing is asked where nftables is not
/// loaded; a failure becomes a gap, and so does an interface that a rule takes from a map. The kernel wants
/// CAP_NET_ADMIN. Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c,
/// nft_dump_basechain_hook; nft_fwd_netdev.c, nft_dup_netdev.c, nft_immediate.c.
void add_packet_filters(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
