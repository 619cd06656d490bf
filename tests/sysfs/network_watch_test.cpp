// SPDX-License-Identifier: Apache-2.0
// What the kernel's messages about links, addresses and routes name, and bytes that are none.
#include "sysfs/kernel/network_watch.hpp"

#include <linux/rtnetlink.h>

#include <cstring>

#include "tests/catch2.hpp"

namespace devbindd::network_watch_test {

namespace {

using namespace devbindd::sysfs;
using Bytes = std::vector<char>;
using Indexes = std::set<unsigned>;

template <class Value>
void append(Bytes& bytes, const Value& value) {
  const auto size = bytes.size();
  bytes.resize(size + (sizeof value + 3) / 4 * 4);
  std::memcpy(bytes.data() + size, &value, sizeof value);
}

Bytes message(unsigned short type, const Bytes& content) {
  Bytes bytes;
  append(bytes, nlmsghdr{.nlmsg_len = static_cast<unsigned>(sizeof(nlmsghdr) + content.size()),
                         .nlmsg_type = type,
                         .nlmsg_flags = 0,
                         .nlmsg_seq = 0,
                         .nlmsg_pid = 0});
  bytes.insert(bytes.end(), content.begin(), content.end());
  return bytes;
}

Bytes link(int index) {
  Bytes bytes;
  ifinfomsg header{};
  header.ifi_index = index;
  append(bytes, header);
  return message(RTM_NEWLINK, bytes);
}

Bytes address(unsigned index) {
  Bytes bytes;
  ifaddrmsg header{};
  header.ifa_index = index;
  append(bytes, header);
  return message(RTM_DELADDR, bytes);
}

Bytes attribute(unsigned short type, const Bytes& content) {
  Bytes bytes;
  append(bytes, rtattr{.rta_len = static_cast<unsigned short>(sizeof(rtattr) + content.size()), .rta_type = type});
  bytes.insert(bytes.end(), content.begin(), content.end());
  return bytes;
}

Bytes number(unsigned value) {
  Bytes bytes;
  append(bytes, value);
  return bytes;
}

Bytes route(const std::vector<unsigned>& hops) {
  Bytes bytes;
  append(bytes, rtmsg{});
  Bytes attributes;
  if (hops.size() == 1) attributes = attribute(RTA_OIF, number(hops[0]));
  if (hops.size() > 1) {
    Bytes list;
    for (const auto hop : hops) {
      rtnexthop header{};
      header.rtnh_len = sizeof header;
      header.rtnh_ifindex = static_cast<int>(hop);
      append(list, header);
    }
    attributes = attribute(RTA_MULTIPATH, list);
  }
  bytes.insert(bytes.end(), attributes.begin(), attributes.end());
  return message(RTM_NEWROUTE, bytes);
}

NetworkNews news_of(std::span<const char> bytes) {
  NetworkNews news;
  add_network_news(bytes, news);
  return news;
}

}  // namespace

TEST_CASE("Messages name the interfaces that they are about", "[network_watch]") {
  CHECK_FALSE(news_of({}).changed);
  CHECK(news_of(link(3)).interfaces == Indexes{3});
  CHECK(news_of(address(4)).interfaces == Indexes{4});
  CHECK(news_of(route({5})).interfaces == Indexes{5});
  CHECK(news_of(route({6, 7})).interfaces == Indexes{6, 7});
  CHECK(news_of(route({})).interfaces.empty());
  CHECK(news_of(route({})).changed);
  CHECK(news_of(message(RTM_NEWNEXTHOP, number(1))).changed);
  auto both = link(3);
  const auto second = route({9});
  both.insert(both.end(), second.begin(), second.end());
  CHECK(news_of(both).interfaces == Indexes{3, 9});
}

TEST_CASE("Bytes that are cut or lie are read to their end and not beyond", "[network_watch]") {
  for (const auto& whole : {link(3), address(4), route({5}), route({6, 7})}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK(news_of(cut).interfaces.empty());
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int value : {0, 1, 3, 127, 255}) {
        auto changed = whole;
        changed[at] = static_cast<char>(value);
        CHECK(news_of(changed).interfaces.size() <= 2);
      }
    }
  }
}

TEST_CASE("The loopback interface has its name, one that is not there has none", "[network_watch]") {
  CHECK(names_of({1}) == std::vector<std::string>{"lo"});
  CHECK(names_of({}).empty());
  CHECK(names_of({4'000'000'000U}).empty());
}

TEST_CASE("A socket for news of the network opens for everybody, and has none by itself", "[network_watch]") {
  auto watch = NetworkWatch::open();
  REQUIRE(watch);
  CHECK_FALSE(watch->drain().lost);
}

}  // namespace devbindd::network_watch_test
