// All network interfaces of the host as facts: every network namespace, with stacks, addresses and default routes.
// Not here: what they mean for a device (network_use.hpp). read_network_state enters other namespaces with setns(2):
// single-threaded worker processes only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/tree.hpp"

namespace devbindd::sysfs {

struct NetworkAddress {
  std::string text = {};  ///< "192.0.2.1/24"
  bool link_local = false;
};

struct NetworkInterface {
  int index = 0;
  std::string name = {};
  std::string type = {};  ///< IFLA_INFO_KIND: "vlan", "bond", "macvtap"; "" for a physical one
  bool up = false;
  bool carrier = false;
  std::optional<int> master = {};  ///< the index of its bond, bridge, team, VRF or Open vSwitch
  std::optional<int> lower = {};   ///< the index of the interface that a VLAN, macvlan or ipvlan stands on
  /// `lower` is an interface of the daemon's own namespace, not of this one (a container's macvlan on the host's NIC).
  bool lower_in_own_namespace = false;
  std::string parent_device = {};  ///< "0000:05:00.0", "virtio0", "1-1:1.0"; "" for a virtual one
  std::vector<NetworkAddress> addresses = {};
  bool default_route = false;  ///< IPv4 or IPv6, any table, also as one of several next hops
};

struct NetworkNamespace {
  std::string name = {};  ///< "" for the daemon's own, else "/run/netns/x" or "pid 123"
  std::vector<NetworkInterface> interfaces = {};
};

struct NetworkState {
  std::vector<NetworkNamespace> namespaces = {};  ///< the daemon's own first
  bool others_unknown = false;                    ///< some other namespace could not be looked into
};

/// Asks the kernel by rtnetlink, in the own namespace, in that of every process and in those of /run/netns. Another
/// namespace that vanishes meanwhile is left out. Errors: Kernel, when the own namespace cannot be read, or cannot be
/// entered again. Source: rtnetlink(7), setns(2), network_namespaces(7).
Result<NetworkState> read_network_state(const Tree& tree);

}  // namespace devbindd::sysfs
