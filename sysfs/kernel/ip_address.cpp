// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

namespace devbindd::sysfs {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped_v4(const IpAddress& address) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
}

}  // namespace

std::optional<IpAddress> ip_address_from(std::string_view text) {
  if (text.starts_with('[')) text.remove_prefix(1);
  const std::string plain(text.substr(0, text.find_first_of("/%]")));
  IpAddress address{};
  if (::inet_pton(AF_INET6, plain.c_str(), address.data()) == 1) return address;
  std::ranges::copy(mapped_prefix, address.begin());
  if (::inet_pton(AF_INET, plain.c_str(), address.data() + mapped_prefix.size()) == 1) return address;
  return std::nullopt;
}

bool is_loopback(const IpAddress& address) {
  if (is_mapped_v4(address)) return address[12] == 127;
  const bool zeros = std::all_of(address.begin(), address.end() - 1, [](std::uint8_t byte) { return byte == 0; });
  return zeros && address.back() == 1;
}

bool is_link_local(const IpAddress& address) {
  if (is_mapped_v4(address)) return address[12] == 169 && address[13] == 254;
  return address[0] == 0xfe && (address[1] & 0xc0U) == 0x80;
}

}  // namespace devbindd::sysfs
