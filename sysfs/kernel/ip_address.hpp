// SPDX-License-Identifier: Apache-2.0
// The few questions about an IP address that decide whether an interface is in use. Text in, answers out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace devbindd::sysfs {

/// Sixteen bytes; IPv4 as an IPv4-mapped IPv6 address, so that both ways of writing one are equal.
using IpAddress = std::array<std::uint8_t, 16>;

/// Reads "192.0.2.1", "2001:db8::1", both also with "/24", "%eth0" or in brackets. nullopt for anything else.
std::optional<IpAddress> ip_address_from(std::string_view text);

/// 127.0.0.0/8 or ::1.
bool is_loopback(const IpAddress& address);
/// 169.254.0.0/16 or fe80::/10: made up by the host for itself, no sign that anybody uses the interface.
bool is_link_local(const IpAddress& address);

}  // namespace devbindd::sysfs
