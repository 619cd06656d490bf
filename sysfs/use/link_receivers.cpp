// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/link_receivers.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/ip_address.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_bytes = 4U << 20U;
constexpr std::size_t most_receivers = 4096;
constexpr std::size_t device_column = 5;  // of /proc/net/ptype, behind a type of four characters
constexpr std::string_view no_hardware_address = "00:00:00:00:00:00";

// Their own readers tell who has a packet socket, and which mesh, bearer or controller there is.
constexpr std::array<std::string_view, 5> told_elsewhere = {"packet_rcv", "tpacket_rcv", "batadv_", "tipc_", "fcoe_"};

struct ReceiverReader {
  const Tree& tree;
  NetworkState& state;

  std::vector<NetworkInterface>& interfaces() const { return state.namespaces.front().interfaces; }

  std::string read(const std::string& path) const {
    auto content = tree.read(path, most_bytes);
    if (content) return std::move(*content);
    const int error = content.error().errno_value;
    if (error != ENOENT && error != ENODEV) state.gaps.push_back("/" + path + ": " + errno_name(error));
    return {};
  }

  void add(int interface, const std::string& what) const {
    NetworkSession found{interface, what};
    const bool known = std::ranges::find(state.receivers, found) != state.receivers.end();
    if (!known && state.receivers.size() < most_receivers) state.receivers.push_back(std::move(found));
  }

  // A VLAN and what it stands on have one hardware address: the kernel does not tell them apart here.
  void add_llc() const {
    for (const auto& [address, what] : parse_llc_sockets(read("proc/net/llc/socket"))) {
      for (const auto& interface : interfaces()) {
        if (interface.hardware_address == address) add(interface.index, what);
      }
    }
  }

  void add_handlers() const {
    for (const auto& [name, what] : parse_packet_handlers(read("proc/net/ptype"))) {
      const auto found = std::ranges::find(interfaces(), name, &NetworkInterface::name);
      if (found != interfaces().end()) add(found->index, what);
    }
  }

  void add_radio() const {
    for (const auto& [upper, lower] : parse_radio_interfaces(read("proc/net/bpqether"))) {
      const auto above = std::ranges::find(interfaces(), upper, &NetworkInterface::name);
      const auto below = std::ranges::find(interfaces(), lower, &NetworkInterface::name);
      if (above == interfaces().end() || below == interfaces().end() || !above->up) continue;
      state.sessions.push_back({below->index, "AX.25 by the interface " + upper});
    }
  }
};

}  // namespace

std::vector<NamedSession> parse_llc_sockets(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    const auto at = words.size() == 9 ? words[2].find('@') : std::string_view::npos;
    if (at != no_hardware_address.size() || words[2].starts_with(no_hardware_address)) continue;
    found.emplace_back(words[2].substr(0, at),
                       "an LLC socket (access point " + std::string(words[2].substr(at + 1)) + ")");
  }
  return found;
}

std::vector<NetworkSession> parse_anycast(std::string_view text) {
  std::vector<NetworkSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    const auto interface = words.size() == 4 ? number_from<int>(words[0]) : std::nullopt;
    if (!interface || words[2].size() != 32) continue;
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t at = 0; at < bytes.size(); ++at)
      bytes[at] = number_from<std::uint8_t>(words[2].substr(2 * at, 2), 16).value_or(0);
    std::array<char, INET6_ADDRSTRLEN> name{};
    if (::inet_ntop(AF_INET6, bytes.data(), name.data(), name.size()) == nullptr) continue;
    const auto address = ip_address_from(name.data());
    if (address && !is_link_local(*address))
      found.push_back({*interface, "the anycast address " + std::string(name.data())});
  }
  return found;
}

std::vector<NamedSession> parse_packet_handlers(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    if (line.size() <= device_column || line[device_column] == ' ') continue;  // for all interfaces
    const auto words = words_of(line);
    if (words.size() < 3 || words[0] == "Type") continue;
    const auto handler = words[2];
    const bool known = std::ranges::any_of(
        told_elsewhere, [handler](std::string_view beginning) { return handler.starts_with(beginning); });
    if (!known)
      found.emplace_back(words[1], "packets of the type " + std::string(words[0]) + ", by " + std::string(handler));
  }
  return found;
}

std::vector<NamedSession> parse_radio_interfaces(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.size() == 4 && words[0].starts_with("bpq")) found.emplace_back(words[0], words[1]);
  }
  return found;
}

void add_receivers(const Tree& tree, NetworkState& state) {
  if (state.namespaces.empty()) return;
  const ReceiverReader reader{tree, state};
  reader.add_llc();
  for (const auto& [interface, what] : parse_anycast(reader.read("proc/net/anycast6"))) reader.add(interface, what);
  reader.add_handlers();
  reader.add_radio();
}

}  // namespace devbindd::sysfs
