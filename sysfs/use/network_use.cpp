// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_use.hpp"

#include <algorithm>

#include "sysfs/kernel/ip_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_stack_levels = 16;
constexpr std::size_t most_network_uses = 256;
constexpr std::string_view open_vswitch = "openvswitch";

using Path = std::vector<std::string>;

bool belongs_to(const NetworkInterface& interface, const std::vector<std::string>& parents) {
  const auto& device = interface.parent_device;
  if (device.empty()) return false;
  return std::ranges::any_of(parents, [&device](const std::string& parent) {
    // ethtool's name of a USB device is its controller's and the port: "usb-0000:00:14.0-2".
    return device == parent || device.starts_with("usb-" + parent + "-");
  });
}

std::string bare(const std::string& address) { return address.substr(0, address.find('/')); }

bool is_among(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::string listed(const std::vector<std::string>& routes) {
  constexpr std::size_t most_told = 3;
  std::string text;
  for (std::size_t at = 0; at < std::min(routes.size(), most_told); ++at) text += (at == 0 ? "" : ", ") + routes[at];
  return text + (routes.size() > most_told ? " and more" : "");
}

// Interfaces that are made to be the use of what they stand on, with or without an address.
UseKind purpose_of(const NetworkInterface& upper) {
  if (upper.type == "macsec") return UseKind::Session;
  if (upper.type == "hsr" || upper.type == "dsa") return UseKind::Master;
  const bool tap = upper.type == "macvtap" || upper.type == "ipvtap";
  return tap && upper.up ? UseKind::Master : UseKind::Stacked;
}

bool stands_on(const NetworkInterface& upper, const NetworkInterface& lower) {
  return upper.lower == lower.index || std::ranges::find(upper.peers_through, lower.index) != upper.peers_through.end();
}

struct Climb {
  const NetworkState& state;
  std::optional<IpAddress> client;
  std::vector<Use> found = {};
  std::size_t noted = 0;  ///< uses met, also those that are in `found` already

  void add(UseKind kind, const Path& path, std::string subject) {
    Use use{.kind = kind, .path = path, .subject = std::move(subject)};
    ++noted;
    if (found.size() < most_network_uses && std::ranges::find(found, use) == found.end())
      found.push_back(std::move(use));
  }

  void visit(const NetworkNamespace& space, const NetworkInterface& interface, const Path& path, bool below_master) {
    look_at(interface, path);
    if (space.name.empty()) look_at_sessions(interface, path);
    if (path.size() >= most_stack_levels || found.size() >= most_network_uses) return;
    for (const auto& upper : space.interfaces) {
      if (is_among(path, upper.name)) continue;
      auto longer = path;
      longer.push_back(upper.name);
      const bool master = interface.master == upper.index;
      const bool linked = stands_on(upper, interface) && !upper.lower_in_own_namespace;
      const bool on_top = linked || is_among(interface.uppers, upper.name);
      const bool served = interface.type == open_vswitch && upper.type == open_vswitch;
      if (!master && !on_top && !served) continue;
      // What is above a bond or bridge says the same once more.
      if (master && !below_master) add(UseKind::Master, longer, upper.name);
      visit_upper(space, upper, longer, below_master || master, !master && on_top);
    }
    if (space.name.empty()) visit_guests(interface, path);
  }

  void visit_upper(const NetworkNamespace& space, const NetworkInterface& upper, const Path& path, bool below_master,
                   bool on_top) {
    const auto purpose = purpose_of(upper);
    const auto before = noted;
    if (on_top && purpose != UseKind::Stacked)
      add(purpose, path, purpose == UseKind::Session ? "MACsec on " + upper.name : upper.name);
    visit(space, upper, path, below_master);
    if (on_top && noted == before) add(UseKind::Stacked, path, upper.name);
  }

  // A container's macvlan or VLAN stands on the host's interface.
  void visit_guests(const NetworkInterface& interface, const Path& path) {
    for (const auto& space : state.namespaces) {
      if (space.name.empty()) continue;
      for (const auto& upper : space.interfaces) {
        if (!upper.lower_in_own_namespace || !stands_on(upper, interface)) continue;
        auto longer = path;
        longer.push_back(upper.name);
        add(UseKind::OtherNamespace, longer, space.name);
      }
    }
  }

  void look_at(const NetworkInterface& interface, const Path& path) {
    if (interface.default_route) add(UseKind::DefaultRoute, path, interface.name);
    if (!interface.routes.empty()) add(UseKind::Route, path, listed(interface.routes));
    for (const auto id : interface.idle_next_hops) add(UseKind::NextHop, path, std::to_string(id));
    for (const auto& address : interface.addresses) {
      const auto bytes = ip_address_from(address.text);
      if (!address.link_local && !(bytes && is_loopback(*bytes))) add(UseKind::Address, path, address.text);
      if (client && bytes == client) add(UseKind::ApiClient, path, bare(address.text));
    }
    if (interface.xdp_program) add(UseKind::Xdp, path, "an XDP program");
    if (interface.traffic_control) add(UseKind::TrafficControl, path, interface.name);
  }

  void look_at_sessions(const NetworkInterface& interface, const Path& path) {
    for (const auto& session : state.sessions) {
      if (session.interface == interface.index) add(UseKind::Session, path, session.what);
    }
    for (const auto& group : state.multicast_groups) {
      if (group.interface == interface.index) add(UseKind::PacketSocket, path, group.what);
    }
    for (const auto& receiver : state.receivers) {
      if (receiver.interface == interface.index) add(UseKind::PacketSocket, path, receiver.what);
    }
    // A bridge or bond makes its members so; what is above an interface makes that so too.
    if (interface.promiscuous && interface.up && !interface.master && path.size() == 1)
      add(UseKind::PacketSocket, path, std::string(every_packet));
    const auto add_sockets = [&](const std::vector<BoundSocket>& sockets, UseKind kind) {
      for (const auto& socket : sockets) {
        if (socket.interface == interface.index) add(kind, path, "socket:[" + std::to_string(socket.inode) + "]");
      }
    };
    add_sockets(state.xdp_sockets, UseKind::Xdp);
    add_sockets(state.packet_sockets, UseKind::PacketSocket);
    // Only an interface that is up can have one.
    if (state.unplaced_xdp_sockets > 0 && path.size() == 1 && interface.up && !interface.xdp_program)
      add(UseKind::PacketSocket, path, std::string(unplaced_xdp_socket));
  }

  void start(const NetworkNamespace& space, const NetworkInterface& interface) {
    const Path path = {interface.name};
    if (!space.name.empty()) return add(UseKind::OtherNamespace, path, space.name);
    const auto before = noted;
    visit(space, interface, path, false);
    if (noted == before && interface.up && interface.carrier) add(UseKind::Carrier, path, interface.name);
  }
};

std::optional<IpAddress> client_address(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto address = ip_address_from(*text);
  return address && !is_loopback(*address) ? address : std::nullopt;
}

}  // namespace

std::vector<Use> network_uses(const NetworkState& state, const std::vector<std::string>& own_parents,
                              const std::optional<std::string>& client_local_address) {
  Climb climb{state, client_address(client_local_address)};
  for (const auto& space : state.namespaces) {
    for (const auto& interface : space.interfaces) {
      if (belongs_to(interface, own_parents)) climb.start(space, interface);
    }
  }
  return std::move(climb.found);
}

bool has_interface(const NetworkState& state, const std::vector<std::string>& own_parents) {
  return std::ranges::any_of(state.namespaces, [&](const NetworkNamespace& space) {
    return std::ranges::any_of(space.interfaces,
                               [&](const NetworkInterface& found) { return belongs_to(found, own_parents); });
  });
}

}  // namespace devbindd::sysfs
