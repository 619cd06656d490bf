#include "sysfs/network_use.hpp"

#include <algorithm>

#include "sysfs/ip_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_levels = 16;
constexpr std::size_t most_uses = 256;
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

struct Climb {
  const NetworkState& state;
  std::optional<IpAddress> client;
  std::vector<Use> found;

  void add(UseKind kind, const Path& path, std::string subject) {
    Use use{.kind = kind, .path = path, .subject = std::move(subject)};
    if (found.size() < most_uses && std::ranges::find(found, use) == found.end()) found.push_back(std::move(use));
  }

  void visit(const NetworkNamespace& space, const NetworkInterface& interface, const Path& path, bool below_master) {
    look_at(interface, path);
    if (path.size() >= most_levels || found.size() >= most_uses) return;
    for (const auto& upper : space.interfaces) {
      if (std::ranges::find(path, upper.name) != path.end()) continue;
      auto longer = path;
      longer.push_back(upper.name);
      const bool master = interface.master == upper.index;
      const bool on_top = upper.lower == interface.index && !upper.lower_in_own_namespace;
      const bool served = interface.type == open_vswitch && upper.type == open_vswitch;
      if (!master && !on_top && !served) continue;
      // What is above a bond or bridge says the same once more.
      if (master && !below_master) add(UseKind::Master, longer, upper.name);
      if (on_top && upper.type.ends_with("tap") && upper.up) add(UseKind::Master, longer, upper.name);
      visit(space, upper, longer, below_master || master);
    }
    if (space.name.empty()) visit_guests(interface, path);
  }

  // A container's macvlan or VLAN stands on the host's interface.
  void visit_guests(const NetworkInterface& interface, const Path& path) {
    for (const auto& space : state.namespaces) {
      if (space.name.empty()) continue;
      for (const auto& upper : space.interfaces) {
        if (!upper.lower_in_own_namespace || upper.lower != interface.index) continue;
        auto longer = path;
        longer.push_back(upper.name);
        add(UseKind::OtherNamespace, longer, space.name);
      }
    }
  }

  void look_at(const NetworkInterface& interface, const Path& path) {
    if (interface.default_route) add(UseKind::DefaultRoute, path, interface.name);
    for (const auto& address : interface.addresses) {
      const auto bytes = ip_address_from(address.text);
      if (!address.link_local && !(bytes && is_loopback(*bytes))) add(UseKind::Address, path, address.text);
      if (client && bytes == client) add(UseKind::ApiClient, path, bare(address.text));
    }
  }

  void start(const NetworkNamespace& space, const NetworkInterface& interface) {
    const Path path = {interface.name};
    if (!space.name.empty()) return add(UseKind::OtherNamespace, path, space.name);
    const auto before = found.size();
    visit(space, interface, path, false);
    if (found.size() == before && interface.up && interface.carrier) add(UseKind::Carrier, path, interface.name);
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
  Climb climb{state, client_address(client_local_address), {}};
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
