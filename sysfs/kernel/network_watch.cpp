// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/network_watch.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sysfs/kernel/kernel_messages.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t alignment = 4;  // NLMSG_ALIGNTO and RTA_ALIGNTO

std::size_t aligned(std::size_t size) { return (size + alignment - 1) & ~(alignment - 1); }

/// A fixed structure at the beginning of bytes; false where they are too few.
template <class Value>
bool take(std::span<const char> bytes, Value& value) {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

// RTA_OIF of a route, also of each of several next hops.
void add_route_interfaces(std::span<const char> attributes, NetworkNews& news) {
  rtattr attribute{};
  while (take(attributes, attribute)) {
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > attributes.size()) return;
    const auto content = attributes.subspan(sizeof attribute, attribute.rta_len - sizeof attribute);
    std::uint32_t index = 0;
    if (attribute.rta_type == RTA_OIF && take(content, index)) news.interfaces.insert(index);
    rtnexthop hop{};
    for (auto hops = content; attribute.rta_type == RTA_MULTIPATH && take(hops, hop);) {
      if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size()) break;
      news.interfaces.insert(static_cast<unsigned>(hop.rtnh_ifindex));
      hops = hops.subspan(std::min(aligned(hop.rtnh_len), hops.size()));
    }
    attributes = attributes.subspan(std::min(aligned(attribute.rta_len), attributes.size()));
  }
}

void add_message(const nlmsghdr& header, std::span<const char> content, NetworkNews& news) {
  news.changed = true;
  ifinfomsg link{};
  ifaddrmsg address{};
  switch (header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      if (take(content, link) && link.ifi_index > 0) news.interfaces.insert(static_cast<unsigned>(link.ifi_index));
      return;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      if (take(content, address)) news.interfaces.insert(address.ifa_index);
      return;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (content.size() >= aligned(sizeof(rtmsg))) add_route_interfaces(content.subspan(aligned(sizeof(rtmsg))), news);
      return;
    default: return;
  }
}

}  // namespace

void add_network_news(std::span<const char> datagram, NetworkNews& news) {
  nlmsghdr header{};
  while (take(datagram, header)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
    add_message(header, datagram.subspan(sizeof header, header.nlmsg_len - sizeof header), news);
    datagram = datagram.subspan(std::min(aligned(header.nlmsg_len), datagram.size()));
  }
}

std::vector<std::string> names_of(const std::set<unsigned>& interfaces) {
  std::vector<std::string> names;
  std::array<char, IF_NAMESIZE> name{};
  for (const auto index : interfaces) {
    if (::if_indextoname(index, name.data()) != nullptr) names.emplace_back(name.data());
  }
  return names;
}

Result<NetworkWatch> NetworkWatch::open() {
  FileDescriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(ErrorCode::Kernel, "cannot open a socket for news of the network: " + errno_text(errno), errno);
  for (const int group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                          RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP}) {
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return fail(ErrorCode::Kernel, "cannot subscribe to news of the network: " + errno_text(errno), errno);
  }
  return NetworkWatch(std::move(fd));
}

NetworkNews NetworkWatch::drain() {
  NetworkNews news;
  news.lost =
      take_kernel_messages(socket_.get(), [&news](std::span<const char> message) { add_network_news(message, news); });
  news.changed = news.changed || news.lost;
  return news;
}

}  // namespace devbindd::sysfs
