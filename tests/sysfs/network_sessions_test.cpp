// SPDX-License-Identifier: Apache-2.0
// Protocols that take an interface without an address, as files show them, and who has a socket.
#include "sysfs/use/network_sessions.hpp"

#include "sysfs/use/network_use.hpp"
#include "sysfs/use/socket_diag.hpp"
#include "sysfs/use/socket_owners.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::network_sessions_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Sessions = std::vector<NamedSession>;

NetworkState host() {
  return {.namespaces = {{.interfaces = {{.index = 1, .name = "lo"}, {.index = 2, .name = "eth0"}}}}};
}

}  // namespace

TEST_CASE("PPPoE sessions name the interface that they run on") {
  const auto* text =
      "Id       Address              Device\n"
      "00000007 02:00:00:00:00:01     eth0\n"
      "0000ffff 02:00:00:00:00:02 vlan7\n"
      "garbage\n";
  CHECK(parse_pppoe(text) == Sessions{{"eth0", "the PPPoE session 7 with 02:00:00:00:00:01"},
                                      {"vlan7", "the PPPoE session 65535 with 02:00:00:00:00:02"}});
  CHECK(parse_pppoe("").empty());
}

TEST_CASE("The interfaces of multicast routing, for IPv4 and IPv6") {
  CHECK(parse_multicast_interfaces("Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote\n"
                                   " 0 eth0              0       0         0       0 00000 0100000A 00000000\n") ==
        Sessions{{"eth0", "multicast routing"}});
  CHECK(parse_multicast_interfaces("Interface      BytesIn  PktsIn  BytesOut PktsOut Flags\n"
                                   " 1 eth1              0       0         0       0 00000\n") ==
        Sessions{{"eth1", "multicast routing"}});
}

TEST_CASE("Receivers of CAN frames, without the heads of the lists") {
  CHECK(parse_can_receivers("\nreceive list 'rx_fil':\n"
                            "  device   can_id   can_mask  function  userdata   matches  ident\n"
                            "   can0      123    000007ff  0000000000000000  0000000000000000         0  raw\n"
                            "  (any: no entry)\n") == Sessions{{"can0", "a receiver of CAN frames"}});
}

TEST_CASE("AppleTalk runs where it has an address") {
  CHECK(parse_apple_talk("Interface        Address   Networks  Status\n"
                         "eth0             03E8:0A  03E8-03E9  0\n"
                         "eth1             0000:00  0000-0000  1\n") ==
        Sessions{{"eth0", "AppleTalk with the address 03E8:0A"}});
}

TEST_CASE("Multicast groups count where they reach beyond the link") {
  const auto* version4 =
      "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
      "2\teth0      :     3      V3\n"
      "\t\t\t\t030201EF     1 0:00000000\t\t0\n"
      "\t\t\t\tFB0000E0     1 0:00000000\t\t0\n"  // mDNS
      "\t\t\t\t010000E0     1 0:00000000\t\t0\n"
      "4\teth1      :     1      V3\n"
      "\t\t\t\t010000E0     1 0:00000000\t\t0\n";
  const auto* version6 =
      "2    eth0            ff050000000000000000000000000077     1 00000004 0\n"
      "2    eth0            ff0200000000000000000001ff000200     1 00000004 0\n"
      "2    eth0            ff050000000000000000000000000002     1 0000000C 0\n"
      "2    eth0            ff010000000000000000000000000001     1 00000008 0\n";
  CHECK(parse_multicast_groups(version4, version6) ==
        std::vector<NetworkSession>{{2, "multicast group 239.1.2.3"}, {2, "multicast group ff05::77"}});
  CHECK(parse_multicast_groups("", "").empty());
}

TEST_CASE("Packet sockets that are bound to one interface; those for all do not count") {
  CHECK(parse_packet_sockets("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"
                             "0000000000000000 3      3    0003   2     1 0      0      4242\n"
                             "0000000000000000 3      2    88cc   0     1 0      0      4243\n") ==
        std::vector<BoundSocket>{{2, 4242}});
}

TEST_CASE("A network console that was given as a parameter shows nowhere, which is told") {
  FilesTree tree;
  tree.files.add_directory("sys/module/netconsole");
  auto state = host();
  add_sessions(tree, state);
  CHECK(state.sessions.empty());
  CHECK(state.gaps == std::vector<std::string>{"the interface of a network console that was given as a parameter"});
}

TEST_CASE("Sessions are put to the interfaces of the own namespace, each once") {
  FilesTree tree;
  tree.files.add_file("proc/net/pppoe", "00000007 02:00:00:00:00:01 eth0\n00000008 02:00:00:00:00:01 gone\n");
  tree.files.add_file("proc/net/packet", "0 3 3 0003 2 1 0 0 4242\n");
  tree.files.add_file("proc/net/pktgen/eth0@1", "");
  tree.files.add_file("proc/net/pktgen/kpktgend_0", "");
  tree.files.add_file("sys/kernel/config/netconsole/log/enabled", "1\n");
  tree.files.add_file("sys/kernel/config/netconsole/log/dev_name", "eth0\n");
  tree.files.add_file("sys/kernel/config/netconsole/off/enabled", "0\n");
  tree.files.add_file("sys/kernel/config/netconsole/off/dev_name", "lo\n");
  tree.files.add_file("sys/class/block/etherd!e1.2/netif", "lo,eth0\n");
  tree.files.add_file("sys/class/infiniband/rxe0/parent", "eth0\n");
  tree.files.add_file("sys/class/infiniband/mlx5_0/node_type", "1: CA\n");
  for (const auto* controller : {"ctlr_0", "ctlr_1", "ctlr_2"}) {
    const auto path = std::string("sys/devices/virtual/net/") + (controller == std::string("ctlr_2") ? "lo/" : "eth0/");
    tree.files.add_file(path + controller + "/enabled", controller == std::string("ctlr_1") ? "0\n" : "1\n");
    tree.files.add_link(std::string("sys/bus/fcoe/devices/") + controller, "../../../" + path.substr(4) + controller);
  }
  auto state = host();
  add_sessions(tree, state);
  CHECK(state.sessions == std::vector<NetworkSession>{{2, "the PPPoE session 7 with 02:00:00:00:00:01"},
                                                      {2, "a packet generator"},
                                                      {2, "the kernel's network console"},
                                                      {1, "the ATA over Ethernet disk etherd!e1.2"},
                                                      {2, "the ATA over Ethernet disk etherd!e1.2"},
                                                      {2, "the RDMA device rxe0"},
                                                      {2, "a Fibre Channel controller (FCoE ctlr_0)"},
                                                      {1, "a Fibre Channel controller (FCoE ctlr_2)"}});
  CHECK(state.packet_sockets == std::vector<BoundSocket>{{2, 4242}});
  CHECK(state.gaps.empty());
}

TEST_CASE("A host without any of these protocols has no session and no gap") {
  FilesTree tree;
  auto state = host();
  add_sessions(tree, state);
  CHECK(state.sessions.empty());
  CHECK(state.gaps.empty());
}

TEST_CASE("The owners of a socket are found by their descriptors") {
  FilesTree tree;
  tree.add_process(31, "pppoe", {{3, "socket:[7]"}, {4, "socket:[7]"}, {5, "socket:[77]"}});
  tree.add_process(32, "lldpd", {{9, "socket:[7]"}});
  std::vector<Use> uses = {{UseKind::PacketSocket, {"eth0"}, "socket:[7]", {}},
                           {UseKind::Xdp, {"eth0"}, "an XDP program", {}},
                           {UseKind::Xdp, {"eth0"}, "socket:[8]", {}}};
  add_socket_owners(tree, uses);
  CHECK(uses[0].processes == std::vector<Process>{{31, "pppoe", "socket:[7]"}, {32, "lldpd", "socket:[7]"}});
  CHECK(uses[1].processes.empty());
  CHECK(uses[2].processes.empty());
}

TEST_CASE("Sockets of a protocol are counted") {
  const auto* text =
      "protocol  size sockets  memory press maxhdr  slab module     cl co di\n"
      "XDP       1024      2      -1   NI       0   no   kernel      n  n  n\n"
      "PACKET    1536      0      -1   NI       0   no   kernel      n  n  n\n";
  CHECK(count_of_protocol(text, "XDP") == 2);
  CHECK(count_of_protocol(text, "PACKET") == 0);
  CHECK(count_of_protocol(text, "SCTP") == 0);
}

TEST_CASE("Where the kernel does not tell the interface of AF_XDP sockets, whoever has mapped their rings is named") {
  FilesTree tree;
  tree.add_process(31, "xdpsock", {});
  tree.files.add_file("proc/31/maps", "7f0000000000-7f0000001000 rw-s 100000000 00:08 99 socket:[99]\n");
  tree.add_process(32, "tcpdump", {});
  tree.files.add_file("proc/32/maps", "7f0000000000-7f0000001000 rw-s 00000000 00:08 98 socket:[98]\n");
  std::vector<Use> uses = {{UseKind::PacketSocket, {"eth0"}, std::string(unplaced_xdp_socket), {}}};
  add_socket_owners(tree, uses);
  CHECK(uses[0].processes == std::vector<Process>{{31, "xdpsock", "socket:[99]"}});
}

}  // namespace devbindd::network_sessions_test
