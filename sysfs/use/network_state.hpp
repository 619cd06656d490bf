// SPDX-License-Identifier: Apache-2.0
// All network interfaces of the host as facts: every network namespace, with stacks, addresses and routes; in the own
// one also what runs on an interface without an address of it.
// Not here: what they mean for a device (network_use.hpp). read_network_state enters other namespaces with setns(2):
// single-threaded worker processes only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct NetworkAddress {
  std::string text = {};  ///< "192.0.2.1/24"
  bool link_local = false;
};

struct NetworkInterface {
  int index = 0;
  std::string name = {};
  std::vector<std::string> alternative_names = {};
  std::string hardware_address = {};  ///< "52:54:00:12:34:56"; "" for one without
  std::string type = {};              ///< IFLA_INFO_KIND: "vlan", "bond", "macvtap"; "" for a physical one
  bool up = false;
  bool carrier = false;
  bool promiscuous = false;        ///< somebody receives every packet of its link (IFLA_PROMISCUITY)
  std::optional<int> master = {};  ///< the index of its bond, bridge, team, VRF or Open vSwitch
  std::optional<int> lower = {};   ///< the index of the interface that a VLAN, macvlan or bound tunnel stands on
  /// `lower` is an interface of the daemon's own namespace, not of this one (a container's macvlan on the host's NIC).
  bool lower_in_own_namespace = false;
  /// The indices of further interfaces through which a VXLAN reaches single peers, in the namespace of `lower`.
  std::vector<int> peers_through = {};
  /// The names of what stands on it, as sysfs tells of the daemon's own namespace; what it stands on tells rtnetlink.
  std::vector<std::string> uppers = {};
  std::string parent_device = {};  ///< "0000:05:00.0", "virtio0", "1-1:1.0"; "" for a virtual one
  std::vector<NetworkAddress> addresses = {};
  bool default_route = false;  ///< IPv4 or IPv6, any table, also as one of several next hops
  /// Other routes through it, some of them: "192.0.2.0/24", "0.0.0.0/1". Not those that the kernel makes by itself.
  std::vector<std::string> routes = {};
  std::vector<std::uint32_t> idle_next_hops = {};  ///< ids of nexthop objects that no route uses
  bool xdp_program = false;
  bool traffic_control = false;  ///< tc's ingress or clsact; a chain or flowtable of nftables
};

struct NetworkNamespace {
  std::string name = {};  ///< "" for the daemon's own, else "/run/netns/x" or "pid 123"
  std::vector<NetworkInterface> interfaces = {};
};

/// Something that runs on an interface of the daemon's own namespace.
struct NetworkSession {
  int interface = 0;      ///< its index
  std::string what = {};  ///< "the PPPoE session 7 with 02:00:00:00:00:01"

  bool operator==(const NetworkSession&) const = default;
};

/// A socket that is bound to an interface of the daemon's own namespace.
struct BoundSocket {
  int interface = 0;  ///< its index
  std::uint64_t inode = 0;

  bool operator==(const BoundSocket&) const = default;
};

struct NetworkState {
  std::vector<NetworkNamespace> namespaces = {};  ///< the daemon's own first
  std::vector<NetworkSession> sessions = {};
  std::vector<NetworkSession> multicast_groups = {};  ///< that somebody receives there; not those of the link alone
  std::vector<NetworkSession> receivers = {};         ///< what else receives there (link_receivers.hpp)
  std::vector<BoundSocket> packet_sockets = {};       ///< and those of IP that are bound to an interface
  std::vector<BoundSocket> xdp_sockets = {};
  std::size_t unplaced_xdp_sockets = 0;         ///< that are there, while the kernel does not tell on which interface
  std::vector<std::string> gaps = {};           ///< what of sessions and sockets could not be read, and why
  bool others_unknown = false;                  ///< some other namespace could not be looked into
  std::vector<std::uint64_t> looked_into = {};  ///< the inodes of all namespaces that were
};

/// Asks the kernel by rtnetlink, in the own namespace, in that of every process, in those of /run/netns, and in those
/// that a mount of the host keeps. Another namespace that vanishes meanwhile is left out. Errors: Kernel, when the own
/// namespace cannot be read, or cannot be entered again. Source: rtnetlink(7), setns(2), network_namespaces(7).
/// Sessions, sockets and gaps are not in it.
Result<NetworkState> read_network_state(const Tree& tree);

/// Adds the sessions and sockets of the own namespace, and what of them could not be read.
void add_what_runs(const Tree& tree, NetworkState& state);

/// Adds the namespaces that no process is in and no mount keeps, but an open descriptor. This takes a look through all
/// descriptors of the host. Errors: as above.
Result<> add_namespaces_of_descriptors(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
