// SPDX-License-Identifier: Apache-2.0
// What receives packets at an interface and has neither an address nor a socket that the kernel lists by its number.
#include "sysfs/use/link_receivers.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::link_receivers_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Named = std::vector<NamedSession>;
using Sessions = std::vector<NetworkSession>;

constexpr auto llc =
    "SKt Mc local_mac_sap        remote_mac_sap       tx_queue rx_queue st uid link\n"
    " 2   0 52:54:00:00:02:00@42 00:00:00:00:00:00@00        0        0  7   0    0\n"
    " 1   0 00:00:00:00:00:00@44 00:00:00:00:00:00@00        0        0  7   0    0\n"
    "garbage\n";
constexpr auto anycast =
    "2    eth0            fe800000000000000000000000000000     1\n"
    "3    eth1            20010db8007700000000000000000000     1\n"
    "x    eth1            20010db8007700000000000000000000     1\n";
constexpr auto handlers =
    "Type Device      Function\n"
    "0004          llc_rcv [llc]\n"
    "0800          ip_rcv\n"
    "ALL  eth0     packet_rcv\n"
    "88b5 eth0     tpacket_rcv\n"
    "4305 eth1     batadv_batman_skb_recv [batman_adv]\n"
    "88f8 eth1     ncsi_rcv_rsp [ncsi]\n";
constexpr auto radio =
    "dev   ether      destination        accept from\n"
    "bpq0  eth0       ff:ff:ff:ff:ff:ff  *\n"
    "bpq1  eth1       ff:ff:ff:ff:ff:ff  *\n";

NetworkState host() {
  return {.namespaces = {{.interfaces = {
                              {.index = 2, .name = "eth0", .hardware_address = "52:54:00:00:02:00"},
                              {.index = 3, .name = "eth1", .hardware_address = "52:54:00:00:03:00"},
                              {.index = 4, .name = "vlan7", .hardware_address = "52:54:00:00:02:00"},
                              {.index = 5, .name = "bpq0"},
                              {.index = 6, .name = "bpq1", .up = true},
                          }}}};
}

}  // namespace

TEST_CASE("LLC sockets name the hardware address of their interface, and none where they are for all") {
  CHECK(parse_llc_sockets(llc) == Named{{"52:54:00:00:02:00", "an LLC socket (access point 42)"}});
  CHECK(parse_llc_sockets("").empty());
}

TEST_CASE("Anycast addresses count that reach beyond the link") {
  CHECK(parse_anycast(anycast) == Sessions{{3, "the anycast address 2001:db8:77::"}});
}

TEST_CASE("A handler of one interface that no other reader knows is told by its name") {
  CHECK(parse_packet_handlers(handlers) == Named{{"eth1", "packets of the type 88f8, by ncsi_rcv_rsp"}});
}

TEST_CASE("Receivers are added to their interfaces, AX.25 where its interface is up") {
  FilesTree tree;
  tree.files.add_file("proc/net/llc/socket", llc);
  tree.files.add_file("proc/net/anycast6", anycast);
  tree.files.add_file("proc/net/ptype", handlers);
  tree.files.add_file("proc/net/bpqether", radio);
  auto state = host();
  add_receivers(tree, state);
  CHECK(state.receivers == Sessions{{2, "an LLC socket (access point 42)"},
                                    {4, "an LLC socket (access point 42)"},
                                    {3, "the anycast address 2001:db8:77::"},
                                    {3, "packets of the type 88f8, by ncsi_rcv_rsp"}});
  CHECK(state.sessions == Sessions{{3, "AX.25 by the interface bpq1"}});
  CHECK(state.gaps.empty());
}

TEST_CASE("A host without any of them has no receiver and no gap") {
  FilesTree tree;
  auto state = host();
  add_receivers(tree, state);
  CHECK(state.receivers.empty());
  CHECK(state.sessions.empty());
  CHECK(state.gaps.empty());
}

}  // namespace devbindd::link_receivers_test
