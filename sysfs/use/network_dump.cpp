// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_dump.hpp"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/pkt_sched.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/ip_address.hpp"
#include "sysfs/kernel/netlink_route.hpp"
#include "sysfs/use/network_route_dump.hpp"

namespace devbindd::sysfs {
namespace {

using Interfaces = std::vector<NetworkInterface>;

NetworkInterface* find(Interfaces& interfaces, int index) {
  const auto found = std::ranges::find(interfaces, index, &NetworkInterface::index);
  return found == interfaces.end() ? nullptr : &*found;
}

struct LinkInfo {
  std::string type = {};
  int lower = 0;  ///< where only the type's own attributes tell it
};

LinkInfo link_info_of(nlattr* link_info) {
  std::array<nlattr*, IFLA_INFO_MAX + 1> info{};
  if (link_info == nullptr || nla_parse_nested(info.data(), IFLA_INFO_MAX, link_info, nullptr) < 0) return {};
  LinkInfo found;
  if (info[IFLA_INFO_KIND] != nullptr) found.type = nla_get_string(info[IFLA_INFO_KIND]);
  std::array<nlattr*, IFLA_VXLAN_MAX + 1> vxlan{};
  if (found.type != "vxlan" || info[IFLA_INFO_DATA] == nullptr) return found;
  if (nla_parse_nested(vxlan.data(), IFLA_VXLAN_MAX, info[IFLA_INFO_DATA], nullptr) < 0) return found;
  if (vxlan[IFLA_VXLAN_LINK] != nullptr) found.lower = static_cast<int>(nla_get_u32(vxlan[IFLA_VXLAN_LINK]));
  return found;
}

void add_alternative_names(nlattr* list, NetworkInterface& interface) {
  if (list == nullptr) return;
  nlattr* at = nullptr;
  int rest = 0;
  nla_for_each_nested(at, list, rest) {
    if (nla_type(at) == IFLA_ALT_IFNAME) interface.alternative_names.emplace_back(nla_get_string(at));
  }
}

// Of Ethernet and what has addresses like it.
std::string hardware_address_of(nlattr* address) {
  if (address == nullptr || nla_len(address) != ETH_ALEN) return {};
  const auto* bytes = static_cast<const unsigned char*>(nla_data(address));
  std::array<char, sizeof("52:54:00:12:34:56")> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                bytes[4], bytes[5]);
  return text.data();
}

bool has_xdp_program(nlattr* xdp) {
  std::array<nlattr*, IFLA_XDP_MAX + 1> attributes{};
  if (xdp == nullptr || nla_parse_nested(attributes.data(), IFLA_XDP_MAX, xdp, nullptr) < 0) return false;
  return attributes[IFLA_XDP_ATTACHED] != nullptr && nla_get_u8(attributes[IFLA_XDP_ATTACHED]) != XDP_ATTACHED_NONE;
}

void set_lower(NetworkInterface& interface, const std::array<nlattr*, IFLA_MAX + 1>& attributes, int lower,
               std::optional<int> own_id) {
  // The other end of a veth pair is not below it.
  if (interface.type == "veth") return;
  if (lower <= 0 && attributes[IFLA_LINK] != nullptr) lower = static_cast<int>(nla_get_u32(attributes[IFLA_LINK]));
  if (lower <= 0) return;
  if (attributes[IFLA_LINK_NETNSID] == nullptr) {
    if (lower != interface.index) interface.lower = lower;
    return;
  }
  // An equal number in another namespace is another interface.
  interface.lower_in_own_namespace = own_id && *own_id == static_cast<int>(nla_get_u32(attributes[IFLA_LINK_NETNSID]));
  if (interface.lower_in_own_namespace) interface.lower = lower;
}

void add_link(nlmsghdr* message, std::optional<int> own_id, Interfaces& interfaces) {
  std::array<nlattr*, IFLA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWLINK) return;
  if (nlmsg_parse(message, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) < 0) return;
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  if (attributes[IFLA_IFNAME] == nullptr || find(interfaces, header->ifi_index) != nullptr) return;
  NetworkInterface interface { .index = header->ifi_index, .name = nla_get_string(attributes[IFLA_IFNAME]) };
  auto info = link_info_of(attributes[IFLA_LINKINFO]);
  interface.type = std::move(info.type);
  add_alternative_names(attributes[IFLA_PROP_LIST], interface);
  interface.xdp_program = has_xdp_program(attributes[IFLA_XDP]);
  interface.up = (header->ifi_flags & IFF_UP) != 0;
  interface.hardware_address = hardware_address_of(attributes[IFLA_ADDRESS]);
  interface.promiscuous = attributes[IFLA_PROMISCUITY] != nullptr && nla_get_u32(attributes[IFLA_PROMISCUITY]) > 0;
  interface.carrier = attributes[IFLA_CARRIER] != nullptr && nla_get_u8(attributes[IFLA_CARRIER]) != 0;
  if (attributes[IFLA_MASTER] != nullptr) interface.master = static_cast<int>(nla_get_u32(attributes[IFLA_MASTER]));
  if (attributes[IFLA_PARENT_DEV_NAME] != nullptr)
    interface.parent_device = nla_get_string(attributes[IFLA_PARENT_DEV_NAME]);
  set_lower(interface, attributes, info.lower, own_id);
  interfaces.push_back(std::move(interface));
}

void add_address(nlmsghdr* message, Interfaces& interfaces) {
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWADDR) return;
  if (nlmsg_parse(message, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) < 0) return;
  const auto* header = static_cast<const ifaddrmsg*>(nlmsg_data(message));
  // Of a point-to-point address, IFA_ADDRESS is the peer's.
  nlattr* own = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  auto* interface = find(interfaces, static_cast<int>(header->ifa_index));
  const int size = header->ifa_family == AF_INET6 ? 16 : 4;
  if (own == nullptr || interface == nullptr || nla_len(own) < size) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(header->ifa_family, nla_data(own), text.data(), text.size()) == nullptr) return;
  const auto address = ip_address_from(text.data());
  const auto with_prefix = std::string(text.data()) + "/" + std::to_string(unsigned{header->ifa_prefixlen});
  // A dump that is asked for again gives the same ones once more.
  const bool known =
      std::ranges::find(interface->addresses, with_prefix, &NetworkAddress::text) != interface->addresses.end();
  if (!known) interface->addresses.push_back({with_prefix, address && is_link_local(*address)});
}

// Of a VXLAN: a peer that is reached through an interface which the tunnel itself does not name ("via").
void add_peer(nlmsghdr* message, std::optional<int> own_id, Interfaces& interfaces) {
  std::array<nlattr*, NDA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWNEIGH) return;
  if (nlmsg_parse(message, sizeof(ndmsg), attributes.data(), NDA_MAX, nullptr) < 0) return;
  auto* tunnel = find(interfaces, static_cast<const ndmsg*>(nlmsg_data(message))->ndm_ifindex);
  if (tunnel == nullptr || tunnel->type != "vxlan" || attributes[NDA_IFINDEX] == nullptr) return;
  const auto through = static_cast<int>(nla_get_u32(attributes[NDA_IFINDEX]));
  auto* other = attributes[NDA_LINK_NETNSID];
  const bool own = own_id && other != nullptr && *own_id == static_cast<int>(nla_get_u32(other));
  if (through <= 0 || (other != nullptr && !own)) return;
  tunnel->lower_in_own_namespace = own;
  if (std::ranges::find(tunnel->peers_through, through) == tunnel->peers_through.end())
    tunnel->peers_through.push_back(through);
}

// tc's hooks on the way in, kinds of net/sched/sch_ingress.c; and an equalizer of links (teql), which has no other tie
// to its members.
void add_qdisc(nlmsghdr* message, Interfaces& interfaces) {
  std::array<nlattr*, TCA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWQDISC) return;
  if (nlmsg_parse(message, sizeof(tcmsg), attributes.data(), TCA_MAX, nullptr) < 0) return;
  if (attributes[TCA_KIND] == nullptr) return;
  const std::string_view kind = nla_get_string(attributes[TCA_KIND]);
  auto* interface = find(interfaces, static_cast<const tcmsg*>(nlmsg_data(message))->tcm_ifindex);
  if (interface == nullptr) return;
  if (kind == "ingress" || kind == "clsact") interface->traffic_control = true;
  // The qdisc of a member has the name of the interface that sends through it: net/sched/sch_teql.c.
  if (!kind.starts_with("teql")) return;
  const auto link = std::ranges::find(interfaces, kind, &NetworkInterface::name);
  if (link != interfaces.end() && !interface->master) interface->master = link->index;
}

// Counters of traffic are most of what the kernel would tell of an interface.
Result<> dump_links(nl_sock* socket, netlink::Visit visit) {
  const netlink::Message request(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP));
  ifinfomsg header{};
  if (!request || nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
      nla_put_u32(request.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  return netlink::dump(socket, request.get(), std::move(visit));
}

template <class Header>
Result<> dump(nl_sock* socket, int type, netlink::Visit visit) {
  const Header header{};
  return netlink::dump(socket, type, &header, sizeof(header), std::move(visit));
}

Result<> dump_peers(nl_sock* socket, std::optional<int> own_id, Interfaces& interfaces) {
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  auto done = netlink::dump(socket, RTM_GETNEIGH, &header, sizeof(header),
                            [&](nlmsghdr* message) { add_peer(message, own_id, interfaces); });
  if (!done && done.error().errno_value == EOPNOTSUPP) return {};
  return done;
}

// What this namespace calls another one; nullopt when it has no name for it. Source: net/core/net_namespace.c.
std::optional<int> id_of_namespace(int descriptor) {
  if (descriptor < 0) return std::nullopt;
  auto socket = netlink::connect();
  if (!socket) return std::nullopt;
  const netlink::Message request(nlmsg_alloc_simple(RTM_GETNSID, NLM_F_REQUEST | NLM_F_ACK));
  rtgenmsg header{};
  if (!request || nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) < 0) return std::nullopt;
  if (nla_put_u32(request.get(), NETNSA_FD, static_cast<std::uint32_t>(descriptor)) < 0) return std::nullopt;
  std::optional<int> id;
  const auto done = netlink::ask(socket->get(), request.get(), "name a namespace", [&id](nlmsghdr* message) {
    std::array<nlattr*, NETNSA_MAX + 1> attributes{};
    if (nlmsg_parse(message, sizeof(rtgenmsg), attributes.data(), NETNSA_MAX, nullptr) < 0) return;
    if (attributes[NETNSA_NSID] != nullptr) id = static_cast<int>(nla_get_u32(attributes[NETNSA_NSID]));
  });
  return done && id && *id >= 0 ? id : std::nullopt;
}

// Kernels before 5.14 tell the parent through ethtool only.
void add_parents_by_ethtool(Interfaces& interfaces) {
  // A socket of any family does, and the unit lets this process make none of IP. Source: net/socket.c, sock_do_ioctl().
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  for (auto& interface : interfaces) {
    if (!interface.parent_device.empty() || !interface.type.empty()) continue;
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request{};
    std::strncpy(request.ifr_name, interface.name.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) continue;
    interface.parent_device.assign(info.bus_info, ::strnlen(info.bus_info, sizeof(info.bus_info)));
  }
}

}  // namespace

Result<std::vector<NetworkInterface>> dump_links() {
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  Interfaces interfaces;
  auto done = dump_links(socket->get(), [&](nlmsghdr* message) { add_link(message, std::nullopt, interfaces); });
  if (!done) return std::unexpected(done.error());
  return interfaces;
}

Result<std::vector<NetworkInterface>> dump_network_interfaces(int own_namespace) {
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  const auto own_id = id_of_namespace(own_namespace);
  Interfaces interfaces;
  auto done = dump_links(socket->get(), [&](nlmsghdr* message) { add_link(message, own_id, interfaces); });
  if (!done) return std::unexpected(done.error());
  if (std::ranges::find(interfaces, "vxlan", &NetworkInterface::type) != interfaces.end()) {
    done = dump_peers(socket->get(), own_id, interfaces);
    if (!done) return std::unexpected(done.error());
  }
  done = dump<ifaddrmsg>(socket->get(), RTM_GETADDR, [&](nlmsghdr* message) { add_address(message, interfaces); });
  if (!done) return std::unexpected(done.error());
  done = dump_routes(socket->get(), interfaces);
  if (!done) return std::unexpected(done.error());
  done = dump<tcmsg>(socket->get(), RTM_GETQDISC, [&](nlmsghdr* message) { add_qdisc(message, interfaces); });
  if (!done && done.error().errno_value != EOPNOTSUPP) return std::unexpected(done.error());  // a kernel without tc
  add_parents_by_ethtool(interfaces);
  return interfaces;
}

}  // namespace devbindd::sysfs
