// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_route_dump.hpp"

#include <arpa/inet.h>
#include <linux/can/gw.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <linux/seg6_local.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "sysfs/kernel/ip_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_routes = 4;  // of an interface: one is evidence enough, and there may be a million
constexpr int most_group_levels = 2;    // a group has no groups in it
constexpr unsigned char family_mpls = 28;

using Attributes = std::array<nlattr*, RTA_MAX + 1>;

struct NextHop {
  std::vector<int> interfaces = {};
  std::vector<std::uint32_t> group = {};
};

template <int Most>
int number_in(nlattr* nested, int kind) {
  std::array<nlattr*, Most + 1> attributes{};
  if (nla_parse_nested(attributes.data(), Most, nested, nullptr) < 0) return 0;
  auto* found = attributes[static_cast<std::size_t>(kind)];
  return found != nullptr ? static_cast<int>(nla_get_u32(found)) : 0;
}

// Where an encapsulation sends packets to, beside the route's own interface: a segment of IPv6 (End.DX2, End.X,
// net/ipv6/seg6_local.c), and IPsec (link_dev, net/xfrm/xfrm_interface_core.c).
int interface_of_encapsulation(nlattr* type, nlattr* encapsulation) {
  if (type == nullptr || encapsulation == nullptr) return 0;
  switch (nla_get_u16(type)) {
    case LWTUNNEL_ENCAP_SEG6_LOCAL: return number_in<SEG6_LOCAL_MAX>(encapsulation, SEG6_LOCAL_OIF);
    case LWTUNNEL_ENCAP_XFRM: return number_in<LWT_XFRM_MAX>(encapsulation, LWT_XFRM_LINK);
    default: return 0;
  }
}

bool is_multicast_family(const rtmsg& header) {
  return header.rtm_family == RTNL_FAMILY_IPMR || header.rtm_family == RTNL_FAMILY_IP6MR;
}

bool starts_with_bits(const unsigned char* bytes, unsigned value, unsigned bits) {
  const unsigned first = (unsigned{bytes[0]} << 8U) | bytes[1];
  return first >> (16U - bits) == value >> (16U - bits);
}

// 169.254.0.0/16 and 224.0.0.0/4; fe80::/10 and ff00::/8.
bool stays_on_link(const rtmsg& header, const unsigned char* destination) {
  const unsigned length = header.rtm_dst_len;
  if (header.rtm_family == AF_INET) {
    return (length >= 16 && starts_with_bits(destination, 0xa9fe, 16)) ||
           (length >= 4 && starts_with_bits(destination, 0xe000, 4));
  }
  return (length >= 10 && starts_with_bits(destination, 0xfe80, 10)) ||
         (length >= 8 && starts_with_bits(destination, 0xff00, 8));
}

std::string name_of_destination(const rtmsg& header, nlattr* destination) {
  const auto length = std::to_string(unsigned{header.rtm_dst_len});
  if (header.rtm_family == family_mpls) return "an MPLS label";
  const bool version6 = header.rtm_family == AF_INET6 || header.rtm_family == RTNL_FAMILY_IP6MR;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(version6 ? AF_INET6 : AF_INET, nla_data(destination), text.data(), text.size()) == nullptr)
    return "a route";
  return std::string(text.data()) + "/" + length;
}

int address_size(const rtmsg& header) {
  return header.rtm_family == AF_INET6 || header.rtm_family == RTNL_FAMILY_IP6MR ? 16 : 4;
}

struct Collector {
  std::unordered_map<int, NetworkInterface*> interfaces;
  std::map<std::uint32_t, NextHop> next_hops = {};
  std::set<std::uint32_t> used = {};

  void mark(int index, bool is_default, const std::string& name) const {
    const auto found = interfaces.find(index);
    if (found == interfaces.end()) return;
    auto& interface = *found->second;
    if (is_default) {
      interface.default_route = true;
    } else if (interface.routes.size() < most_routes &&
               std::ranges::find(interface.routes, name) == interface.routes.end()) {
      interface.routes.push_back(name);
    }
  }

  std::vector<int> interfaces_of(std::uint32_t id, int level = 0) {
    used.insert(id);
    const auto found = next_hops.find(id);
    if (found == next_hops.end() || level > most_group_levels) return {};
    auto all = found->second.interfaces;
    for (const auto member : found->second.group) {
      const auto more = interfaces_of(member, level + 1);
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

  void add_next_hop(nlmsghdr* message) {
    std::array<nlattr*, NHA_MAX + 1> attributes{};
    if (message->nlmsg_type != RTM_NEWNEXTHOP) return;
    if (nlmsg_parse(message, sizeof(nhmsg), attributes.data(), NHA_MAX, nullptr) < 0) return;
    if (attributes[NHA_ID] == nullptr) return;
    auto& hop = next_hops[nla_get_u32(attributes[NHA_ID])];
    hop = {};
    if (attributes[NHA_OIF] != nullptr) hop.interfaces.push_back(static_cast<int>(nla_get_u32(attributes[NHA_OIF])));
    if (const int other = interface_of_encapsulation(attributes[NHA_ENCAP_TYPE], attributes[NHA_ENCAP]); other > 0)
      hop.interfaces.push_back(other);
    if (attributes[NHA_GROUP] == nullptr) return;
    const auto* members = static_cast<const char*>(nla_data(attributes[NHA_GROUP]));
    const auto count = static_cast<std::size_t>(nla_len(attributes[NHA_GROUP])) / sizeof(nexthop_grp);
    for (std::size_t at = 0; at < count; ++at) {
      nexthop_grp member{};
      std::memcpy(&member, members + at * sizeof(member), sizeof(member));
      hop.group.push_back(member.id);
    }
  }

  void add_route(nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWROUTE) return;
    const auto& header = *static_cast<const rtmsg*>(nlmsg_data(message));
    if (header.rtm_family == AF_CAN) return add_gateway(message);
    // First of all: there may be a million routes.
    if (header.rtm_protocol == RTPROT_KERNEL || (header.rtm_flags & RTM_F_CLONED) != 0) return;
    Attributes attributes{};
    if (nlmsg_parse(message, sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) < 0) return;
    auto* destination = attributes[RTA_DST];
    const bool is_default = header.rtm_dst_len == 0 && !is_multicast_family(header);
    if (!is_default && (destination == nullptr || nla_len(destination) < address_size(header))) return;
    const bool by_ip = header.rtm_family == AF_INET || header.rtm_family == AF_INET6;
    if (!is_default && by_ip && stays_on_link(header, static_cast<const unsigned char*>(nla_data(destination)))) return;
    const auto through = interfaces_of(header, attributes);
    if (through.empty()) return;
    const auto name = is_default ? std::string{} : name_of_destination(header, destination);
    for (const auto index : through) mark(index, is_default, name);
  }

  // A job of can-gw, whose messages are those of routes with a header of their own: net/can/gw.c.
  void add_gateway(nlmsghdr* message) const {
    std::array<nlattr*, CGW_MAX + 1> attributes{};
    if (nlmsg_parse(message, sizeof(rtcanmsg), attributes.data(), CGW_MAX, nullptr) < 0) return;
    for (const auto end : {CGW_SRC_IF, CGW_DST_IF}) {
      if (attributes[static_cast<std::size_t>(end)] == nullptr) continue;
      mark(static_cast<int>(nla_get_u32(attributes[static_cast<std::size_t>(end)])), false, "a gateway of CAN frames");
    }
  }

  std::vector<int> interfaces_of(const rtmsg& header, const Attributes& attributes) {
    std::vector<int> found;
    if (attributes[RTA_OIF] != nullptr) found.push_back(static_cast<int>(nla_get_u32(attributes[RTA_OIF])));
    if (const int other = interface_of_encapsulation(attributes[RTA_ENCAP_TYPE], attributes[RTA_ENCAP]); other > 0)
      found.push_back(other);
    if (is_multicast_family(header) && attributes[RTA_IIF] != nullptr)
      found.push_back(static_cast<int>(nla_get_u32(attributes[RTA_IIF])));
    if (attributes[RTA_MULTIPATH] != nullptr) add_paths(attributes[RTA_MULTIPATH], found);
    if (attributes[RTA_NH_ID] != nullptr) {
      const auto more = interfaces_of(nla_get_u32(attributes[RTA_NH_ID]));
      found.insert(found.end(), more.begin(), more.end());
    }
    return found;
  }

  static void add_paths(nlattr* hops, std::vector<int>& found) {
    const auto* at = static_cast<const char*>(nla_data(hops));
    auto rest = static_cast<std::size_t>(nla_len(hops));
    while (rest >= sizeof(rtnexthop)) {
      rtnexthop hop{};
      std::memcpy(&hop, at, sizeof(hop));
      if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > rest) return;
      found.push_back(hop.rtnh_ifindex);
      const auto step = std::min<std::size_t>(rest, NLMSG_ALIGN(hop.rtnh_len));
      at += step;
      rest -= step;
    }
  }

  // After all routes.
  void add_idle_next_hops() {
    const auto in_routes = used;
    for (const auto& [id, hop] : next_hops) {
      if (in_routes.contains(id)) continue;
      for (const auto index : interfaces_of(id)) {
        const auto found = interfaces.find(index);
        if (found == interfaces.end() || found->second->idle_next_hops.size() >= most_routes) continue;
        auto& ids = found->second->idle_next_hops;
        if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
      }
    }
  }
};

}  // namespace

Result<> dump_routes(nl_sock* socket, std::vector<NetworkInterface>& interfaces) {
  Collector collector;
  for (auto& interface : interfaces) collector.interfaces.emplace(interface.index, &interface);
  const nhmsg any_hop{};
  auto done = netlink::dump(socket, RTM_GETNEXTHOP, &any_hop, sizeof(any_hop),
                            [&](nlmsghdr* message) { collector.add_next_hop(message); });
  if (!done && done.error().errno_value != EOPNOTSUPP) return done;  // a kernel before 5.3 has none
  const rtmsg any_route{};
  done = netlink::dump(socket, RTM_GETROUTE, &any_route, sizeof(any_route),
                       [&](nlmsghdr* message) { collector.add_route(message); });
  if (!done) return done;
  collector.add_idle_next_hops();
  return {};
}

}  // namespace devbindd::sysfs
