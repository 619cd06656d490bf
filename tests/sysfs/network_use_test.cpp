// SPDX-License-Identifier: Apache-2.0
// What counts as use of a network card: addresses, routes and stacks, wherever they stand on it.
#include "sysfs/use/network_use.hpp"

#include "tests/catch2.hpp"

namespace devbindd::network_use_test {

namespace {

using namespace devbindd::sysfs;
using Uses = std::vector<Use>;

const std::vector<std::string> own = {"0000:05:00.0", "virtio0"};

NetworkInterface card(std::vector<NetworkAddress> addresses = {}) {
  return {
      .index = 2, .name = "eth0", .up = true, .carrier = true, .parent_device = "0000:05:00.0", .addresses = addresses};
}

NetworkInterface other(int index, const std::string& name, const std::string& type) {
  return {.index = index, .name = name, .type = type, .up = true, .carrier = true};
}

NetworkState host(std::vector<NetworkInterface> interfaces) {
  return {.namespaces = {{.name = "", .interfaces = std::move(interfaces)}}};
}

Uses uses(const NetworkState& state, const std::optional<std::string>& client = {}) {
  return network_uses(state, own, client);
}

Use use(UseKind kind, std::vector<std::string> path, std::string subject) {
  return {.kind = kind, .path = std::move(path), .subject = std::move(subject)};
}

}  // namespace

TEST_CASE("A card that has nothing but a link-local address is not in use") {
  auto idle = card({{"fe80::1/64", true}, {"169.254.3.4/16", true}});
  CHECK(uses(host({idle})) == Uses{use(UseKind::Carrier, {"eth0"}, "eth0")});
  idle.carrier = false;
  CHECK(uses(host({idle})).empty());
  idle.carrier = true;
  idle.up = false;
  CHECK(uses(host({idle})).empty());
}

TEST_CASE("A VXLAN stands on the interfaces through which it reaches single peers") {
  auto tunnel = other(7, "vx7", "vxlan");
  tunnel.peers_through = {9, 2};
  CHECK(uses(host({card(), tunnel})) == Uses{use(UseKind::Stacked, {"eth0", "vx7"}, "vx7")});
  tunnel.addresses = {{"192.0.2.1/24", false}};
  CHECK(uses(host({card(), tunnel})) == Uses{use(UseKind::Address, {"eth0", "vx7"}, "192.0.2.1/24")});
  tunnel.peers_through = {9};
  CHECK(uses(host({card(), tunnel})) == Uses{use(UseKind::Carrier, {"eth0"}, "eth0")});
}

TEST_CASE("A multicast group that somebody receives is told") {
  auto state = host({card()});
  state.multicast_groups = {{2, "multicast group 239.1.2.3"}, {3, "multicast group 239.1.2.4"}};
  CHECK(uses(state) == Uses{use(UseKind::PacketSocket, {"eth0"}, "multicast group 239.1.2.3")});
}

TEST_CASE("Interfaces of other devices do not count") {
  auto foreign = card({{"192.0.2.1/24", false}});
  foreign.parent_device = "0000:05:00.1";
  foreign.default_route = true;
  CHECK(uses(host({foreign})).empty());
  foreign.parent_device = "";
  CHECK(uses(host({foreign})).empty());
}

TEST_CASE("An address and a default route count, and make the carrier no news") {
  auto busy = card({{"192.0.2.1/24", false}, {"fe80::1/64", true}});
  busy.default_route = true;
  CHECK(uses(host({busy})) ==
        Uses{use(UseKind::DefaultRoute, {"eth0"}, "eth0"), use(UseKind::Address, {"eth0"}, "192.0.2.1/24")});
}

TEST_CASE("The parent may be a device below the function") {
  auto paravirtual = card({{"192.0.2.1/24", false}});
  paravirtual.parent_device = "virtio0";
  CHECK(uses(host({paravirtual})).size() == 1);
  paravirtual.parent_device = "usb-0000:05:00.0-1.2";  // ethtool's name for it
  CHECK(uses(host({paravirtual})).size() == 1);
  CHECK(has_interface(host({paravirtual}), own));
  paravirtual.parent_device = "virtio00";
  CHECK(uses(host({paravirtual})).empty());
  CHECK_FALSE(has_interface(host({paravirtual}), own));
}

TEST_CASE("A VLAN on a bond on the card carries an address") {
  auto member = card();
  member.master = 7;
  auto second = card();
  second.index = 3;
  second.name = "eth1";
  second.parent_device = "0000:06:00.0";
  second.master = 7;
  auto vlan = other(8, "bond0.100", "vlan");
  vlan.lower = 7;
  vlan.default_route = true;
  vlan.addresses = {{"192.0.2.1/24", false}};
  const std::vector<std::string> way = {"eth0", "bond0", "bond0.100"};
  CHECK(uses(host({member, second, other(7, "bond0", "bond"), vlan})) ==
        Uses{use(UseKind::Master, {"eth0", "bond0"}, "bond0"), use(UseKind::DefaultRoute, way, "bond0.100"),
             use(UseKind::Address, way, "192.0.2.1/24")});
}

TEST_CASE("A member of a bridge is in use even when the bridge has no address") {
  auto member = card();
  member.master = 4;
  CHECK(uses(host({member, other(4, "br0", "bridge")})) == Uses{use(UseKind::Master, {"eth0", "br0"}, "br0")});
}

TEST_CASE("A bond in a bridge is told once") {
  auto member = card();
  member.master = 4;
  auto bond = other(4, "bond0", "bond");
  bond.master = 5;
  CHECK(uses(host({member, bond, other(5, "br0", "bridge")})) ==
        Uses{use(UseKind::Master, {"eth0", "bond0"}, "bond0")});
}

TEST_CASE("A virtual machine's macvtap uses the card; of a VLAN or macvlan without address it is told") {
  auto tap = other(9, "macvtap0", "macvtap");
  tap.lower = 2;
  CHECK(uses(host({card(), tap})) == Uses{use(UseKind::Master, {"eth0", "macvtap0"}, "macvtap0")});
  for (const auto* type : {"macvlan", "gretap"}) {
    tap.type = type;
    CHECK(uses(host({card(), tap})) == Uses{use(UseKind::Stacked, {"eth0", "macvtap0"}, "macvtap0")});
  }
}

TEST_CASE("A port of Open vSwitch reaches the internal ports") {
  auto port = card();
  port.master = 4;
  auto internal = other(5, "br-ex", "openvswitch");
  internal.default_route = true;
  CHECK(uses(host({port, other(4, "ovs-system", "openvswitch"), internal})) ==
        Uses{use(UseKind::Master, {"eth0", "ovs-system"}, "ovs-system"),
             use(UseKind::DefaultRoute, {"eth0", "ovs-system", "br-ex"}, "br-ex")});
}

TEST_CASE("A card in another network namespace belongs to somebody") {
  NetworkState state = host({other(1, "lo", "")});
  auto moved = card({{"10.0.0.1/24", false}});
  moved.name = "net1";
  state.namespaces.push_back({.name = "/run/netns/blue", .interfaces = {moved}});
  CHECK(uses(state) == Uses{use(UseKind::OtherNamespace, {"net1"}, "/run/netns/blue")});
  CHECK(has_interface(state, own));
}

TEST_CASE("A container's macvlan on the host's card belongs to somebody") {
  NetworkState state = host({card()});
  auto guest = other(5, "eth0", "macvlan");
  guest.lower = 2;
  state.namespaces.push_back({.name = "pid 77", .interfaces = {guest}});
  CHECK(uses(state) == Uses{use(UseKind::Carrier, {"eth0"}, "eth0")});  // its lower is another one's interface 2
  state.namespaces.back().interfaces[0].lower_in_own_namespace = true;
  CHECK(uses(state) == Uses{use(UseKind::OtherNamespace, {"eth0", "eth0"}, "pid 77")});
}

TEST_CASE("The address at which the caller came in is named") {
  auto member = card({{"192.0.2.1/24", false}});
  member.master = 4;
  auto bridge = other(4, "br0", "bridge");
  bridge.addresses = {{"2001:db8::5/64", false}};
  const auto state = host({member, bridge});
  const auto kinds = [&](const char* client) {
    std::vector<Use> found;
    for (auto& item : uses(state, client)) {
      if (item.kind == UseKind::ApiClient) found.push_back(item);
    }
    return found;
  };
  CHECK(kinds("::ffff:192.0.2.1") == Uses{use(UseKind::ApiClient, {"eth0"}, "192.0.2.1")});
  CHECK(kinds("2001:db8::5") == Uses{use(UseKind::ApiClient, {"eth0", "br0"}, "2001:db8::5")});
  CHECK(kinds("192.0.2.2").empty());
  CHECK(kinds("nonsense").empty());
}

TEST_CASE("Loopback is never the way that a caller depends on") {
  auto odd = card({{"127.0.0.1/8", false}});
  CHECK(uses(host({odd}), "127.0.0.1") == Uses{use(UseKind::Carrier, {"eth0"}, "eth0")});
}

TEST_CASE("Interfaces that stand on each other in a circle end the climb") {
  auto first = card();
  first.lower = 3;
  auto second = other(3, "vlan0", "vlan");
  second.lower = 2;
  second.addresses = {{"192.0.2.1/24", false}};
  CHECK(uses(host({first, second})) == Uses{use(UseKind::Address, {"eth0", "vlan0"}, "192.0.2.1/24")});
}

TEST_CASE("A route through the card counts without any address on it, and a few are named") {
  auto busy = card();
  busy.routes = {"192.0.2.0/24", "0.0.0.0/1", "128.0.0.0/1"};
  CHECK(uses(host({busy})) == Uses{use(UseKind::Route, {"eth0"}, "192.0.2.0/24, 0.0.0.0/1, 128.0.0.0/1")});
  busy.routes.emplace_back("198.51.100.0/24");
  CHECK(uses(host({busy})).front().subject == "192.0.2.0/24, 0.0.0.0/1, 128.0.0.0/1 and more");
}

TEST_CASE("A nexthop object without a route is told") {
  auto idle = card();
  idle.idle_next_hops = {77};
  CHECK(uses(host({idle})) == Uses{use(UseKind::NextHop, {"eth0"}, "77")});
}

TEST_CASE("What sysfs alone shows above the card is followed as well") {
  auto lower = card();
  lower.uppers = {"vx7", "gone"};
  auto tunnel = other(9, "vx7", "vxlan");
  CHECK(uses(host({lower, tunnel})) == Uses{use(UseKind::Stacked, {"eth0", "vx7"}, "vx7")});
  tunnel.addresses = {{"192.0.2.1/24", false}};
  CHECK(uses(host({lower, tunnel})) == Uses{use(UseKind::Address, {"eth0", "vx7"}, "192.0.2.1/24")});
  lower.uppers = {"bond0"};
  lower.master = 10;
  CHECK(uses(host({lower, other(10, "bond0", "bond")})) == Uses{use(UseKind::Master, {"eth0", "bond0"}, "bond0")});
}

TEST_CASE("Of a stack that nothing is seen to use the topmost interface is told, and of one that is used none") {
  auto vlan = other(3, "vlan7", "vlan");
  vlan.lower = 2;
  auto tunnel = other(4, "gre7", "gre");
  tunnel.lower = 3;
  CHECK(uses(host({card(), vlan, tunnel})) == Uses{use(UseKind::Stacked, {"eth0", "vlan7", "gre7"}, "gre7")});
  vlan.routes = {"192.0.2.0/24"};
  CHECK(uses(host({card(), vlan})) == Uses{use(UseKind::Route, {"eth0", "vlan7"}, "192.0.2.0/24")});
}

TEST_CASE("Interfaces that are made to use the one below them do so without an address") {
  const auto [type, kind, subject] =
      GENERATE(table<std::string, UseKind, std::string>({{"macsec", UseKind::Session, "MACsec on up7"},
                                                         {"hsr", UseKind::Master, "up7"},
                                                         {"dsa", UseKind::Master, "up7"}}));
  auto upper = other(3, "up7", type);
  upper.lower = 2;
  upper.up = false;
  CHECK(uses(host({card(), upper})) == Uses{use(kind, {"eth0", "up7"}, subject)});
}

TEST_CASE("Receivers count where they are, and promiscuous mode where nothing above makes it") {
  auto vlan = other(3, "vlan7", "vlan");
  vlan.lower = 2;
  auto state = host({card(), vlan, other(4, "eth9", "")});
  state.receivers = {{3, "an LLC socket (access point 42)"}, {4, "an LLC socket (access point 44)"}};
  CHECK(uses(state) == Uses{use(UseKind::PacketSocket, {"eth0", "vlan7"}, "an LLC socket (access point 42)")});
  auto lower = card();
  lower.promiscuous = true;
  lower.up = false;
  CHECK(uses(host({lower})).empty());
  lower.up = true;
  CHECK(uses(host({lower})) == Uses{use(UseKind::PacketSocket, {"eth0"}, std::string(every_packet))});
  lower.master = 10;
  CHECK(uses(host({lower, other(10, "br0", "bridge")})) == Uses{use(UseKind::Master, {"eth0", "br0"}, "br0")});
}

TEST_CASE("Sessions and sockets count where they are, also above the card, and those of other interfaces do not") {
  auto vlan = other(3, "vlan7", "vlan");
  vlan.lower = 2;
  auto state = host({card(), vlan, other(4, "eth9", "")});
  state.sessions = {{3, "the PPPoE session 7 with 02:00:00:00:00:01"}, {4, "multicast routing"}};
  state.xdp_sockets = {{2, 11}, {4, 12}};
  state.packet_sockets = {{2, 13}, {4, 14}};
  CHECK(uses(state) == Uses{use(UseKind::Xdp, {"eth0"}, "socket:[11]"),
                            use(UseKind::PacketSocket, {"eth0"}, "socket:[13]"),
                            use(UseKind::Session, {"eth0", "vlan7"}, "the PPPoE session 7 with 02:00:00:00:00:01")});
  state.namespaces.push_back({.name = "/run/netns/blue", .interfaces = {other(2, "eth0", "")}});
  CHECK(uses(state).size() == 3);  // numbers of another namespace
}

TEST_CASE("An XDP program is a use, tc's hooks are told") {
  auto busy = card();
  busy.xdp_program = true;
  busy.traffic_control = true;
  CHECK(uses(host({busy})) ==
        Uses{use(UseKind::Xdp, {"eth0"}, "an XDP program"), use(UseKind::TrafficControl, {"eth0"}, "eth0")});
}

TEST_CASE("AF_XDP sockets that may be on any interface make a warning at those that are up") {
  auto state = host({card()});
  state.unplaced_xdp_sockets = 1;
  CHECK(uses(state) == Uses{use(UseKind::PacketSocket, {"eth0"}, "AF_XDP")});
  state.namespaces[0].interfaces[0].up = false;
  CHECK(uses(state).empty());
}

}  // namespace devbindd::network_use_test
