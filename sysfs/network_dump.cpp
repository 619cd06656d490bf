#include "sysfs/network_dump.hpp"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sysfs/file_descriptor.hpp"
#include "sysfs/ip_address.hpp"
#include "sysfs/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

using Interfaces = std::vector<NetworkInterface>;

NetworkInterface* find(Interfaces& interfaces, int index) {
  const auto found = std::ranges::find(interfaces, index, &NetworkInterface::index);
  return found == interfaces.end() ? nullptr : &*found;
}

std::string type_of(nlattr* link_info) {
  std::array<nlattr*, IFLA_INFO_MAX + 1> info{};
  if (link_info == nullptr || nla_parse_nested(info.data(), IFLA_INFO_MAX, link_info, nullptr) < 0) return {};
  return info[IFLA_INFO_KIND] != nullptr ? nla_get_string(info[IFLA_INFO_KIND]) : "";
}

void set_lower(NetworkInterface& interface, const std::array<nlattr*, IFLA_MAX + 1>& attributes,
               std::optional<int> own_id) {
  // The other end of a veth pair is not below it.
  if (attributes[IFLA_LINK] == nullptr || interface.type == "veth") return;
  const auto lower = static_cast<int>(nla_get_u32(attributes[IFLA_LINK]));
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
  interface.type = type_of(attributes[IFLA_LINKINFO]);
  interface.up = (header->ifi_flags & IFF_UP) != 0;
  interface.carrier = attributes[IFLA_CARRIER] != nullptr && nla_get_u8(attributes[IFLA_CARRIER]) != 0;
  if (attributes[IFLA_MASTER] != nullptr) interface.master = static_cast<int>(nla_get_u32(attributes[IFLA_MASTER]));
  if (attributes[IFLA_PARENT_DEV_NAME] != nullptr)
    interface.parent_device = nla_get_string(attributes[IFLA_PARENT_DEV_NAME]);
  set_lower(interface, attributes, own_id);
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

void mark(Interfaces& interfaces, int index) {
  if (auto* interface = find(interfaces, index); interface != nullptr) interface->default_route = true;
}

void mark_next_hops(nlattr* hops, Interfaces& interfaces) {
  const auto* at = static_cast<const char*>(nla_data(hops));
  auto rest = static_cast<std::size_t>(nla_len(hops));
  while (rest >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, at, sizeof(hop));
    if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > rest) return;
    mark(interfaces, hop.rtnh_ifindex);
    const auto step = std::min<std::size_t>(rest, NLMSG_ALIGN(hop.rtnh_len));
    at += step;
    rest -= step;
  }
}

void add_route(nlmsghdr* message, Interfaces& interfaces) {
  if (message->nlmsg_type != RTM_NEWROUTE) return;
  const auto* header = static_cast<const rtmsg*>(nlmsg_data(message));
  // First of all: there may be a million other routes.
  if (header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST) return;
  std::array<nlattr*, RTA_MAX + 1> attributes{};
  if (nlmsg_parse(message, sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) < 0) return;
  if (attributes[RTA_OIF] != nullptr) mark(interfaces, static_cast<int>(nla_get_u32(attributes[RTA_OIF])));
  if (attributes[RTA_MULTIPATH] != nullptr) mark_next_hops(attributes[RTA_MULTIPATH], interfaces);
}

template <class Header>
Result<> dump(nl_sock* socket, int type, netlink::Visit visit) {
  const Header header{};
  return netlink::dump(socket, type, &header, sizeof(header), std::move(visit));
}

// What this namespace calls another one; nullopt when it has no name for it. Source: net/core/net_namespace.c.
std::optional<int> id_of_namespace(int descriptor) {
  auto socket = netlink::connect();
  if (!socket || descriptor < 0) return std::nullopt;
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
  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
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

Result<std::vector<NetworkInterface>> dump_network_interfaces(int own_namespace) {
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  const auto own_id = id_of_namespace(own_namespace);
  Interfaces interfaces;
  auto done =
      dump<ifinfomsg>(socket->get(), RTM_GETLINK, [&](nlmsghdr* message) { add_link(message, own_id, interfaces); });
  if (!done) return std::unexpected(done.error());
  done = dump<ifaddrmsg>(socket->get(), RTM_GETADDR, [&](nlmsghdr* message) { add_address(message, interfaces); });
  if (!done) return std::unexpected(done.error());
  done = dump<rtmsg>(socket->get(), RTM_GETROUTE, [&](nlmsghdr* message) { add_route(message, interfaces); });
  if (!done) return std::unexpected(done.error());
  add_parents_by_ethtool(interfaces);
  return interfaces;
}

}  // namespace devbindd::sysfs
