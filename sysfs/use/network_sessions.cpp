// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_sessions.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/use/network_use.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_session_bytes = 4U << 20U;
constexpr std::size_t most_sessions = 4096;
constexpr std::string_view consoles = "sys/kernel/config/netconsole";
constexpr std::string_view blocks = "sys/class/block";
constexpr std::string_view rdma = "sys/class/infiniband";
constexpr std::string_view fcoe = "sys/bus/fcoe/devices";

struct SessionReader {
  const Tree& tree;
  NetworkState& state;

  void add(const NamedSession& session) {
    const auto& interfaces = state.namespaces.front().interfaces;
    const auto found = std::ranges::find(interfaces, session.first, &NetworkInterface::name);
    if (found == interfaces.end() || state.sessions.size() >= most_sessions) return;
    NetworkSession entry{found->index, session.second};
    if (std::ranges::find(state.sessions, entry) == state.sessions.end()) state.sessions.push_back(std::move(entry));
  }

  // "" for a file that is not there.
  std::string read(const std::string& path) {
    auto content = tree.read(path, most_session_bytes);
    if (content) return std::move(*content);
    const int error = content.error().errno_value;
    if (error != ENOENT && error != ENODEV) state.gaps.push_back("/" + path + ": " + errno_name(error));
    return {};
  }

  std::vector<std::string> list(std::string_view path) {
    auto names = tree.list(path);
    if (names) return std::move(*names);
    const int error = names.error().errno_value;
    if (error != ENOENT && error != ENODEV) state.gaps.push_back("/" + std::string(path) + ": " + errno_name(error));
    return {};
  }

  template <class Parse>
  void add_file(const std::string& path, Parse parse) {
    for (const auto& session : parse(read(path))) add(session);
  }

  // A file for each interface that a thread sends through: "eth0", "eth0@1".
  void add_packet_generators() {
    for (const auto& name : list("proc/net/pktgen")) add({name.substr(0, name.find('@')), "a packet generator"});
  }

  void add_consoles() {
    for (const auto& target : list(consoles)) {
      const auto path = std::string(consoles) + "/" + target;
      if (read(path + "/enabled") == "1") add({read(path + "/dev_name"), "the kernel's network console"});
    }
    if (exists(tree, "sys/module/netconsole"))
      state.gaps.emplace_back("the interface of a network console that was given as a parameter");
  }

  // "netif" holds the interfaces on the way to the disk, with commas between them.
  void add_ata() {
    for (const auto& disk : list(blocks)) {
      if (!disk.starts_with("etherd")) continue;
      auto names = read(std::string(blocks) + "/" + disk + "/netif");
      std::ranges::replace(names, ',', ' ');
      for (const auto name : words_of(names)) add({std::string(name), "the ATA over Ethernet disk " + disk});
    }
  }

  void add_rdma() {
    for (const auto& device : list(rdma)) {
      const auto parent = tree.read(std::string(rdma) + "/" + device + "/parent");
      if (parent) add({*parent, "the RDMA device " + device});
    }
  }

  // "ctlr_0" -> "../../../devices/virtual/net/eth0.100/ctlr_0": its interface is the device that it lies below.
  void add_fcoe() {
    for (const auto& controller : list(fcoe)) {
      const auto path = std::string(fcoe) + "/" + controller;
      const auto target = tree.link(path).value_or(std::nullopt);
      if (!target || tree.read(path + "/enabled").value_or("1") == "0") continue;
      const auto interface = target->substr(0, target->rfind('/'));
      add({interface.substr(interface.rfind('/') + 1), "a Fibre Channel controller (FCoE " + controller + ")"});
    }
  }
};

}  // namespace

std::vector<NamedSession> parse_pppoe(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    const auto id = words.size() == 3 ? number_from<std::uint32_t>(words[0], 16) : std::nullopt;
    if (!id) continue;
    found.emplace_back(words[2], "the PPPoE session " + std::to_string(*id) + " with " + std::string(words[1]));
  }
  return found;
}

std::vector<NamedSession> parse_multicast_interfaces(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.size() >= 7 && number_from<unsigned>(words[0])) found.emplace_back(words[1], "multicast routing");
  }
  return found;
}

std::vector<NamedSession> parse_can_receivers(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.size() == 7 && number_from<std::uint32_t>(words[1], 16))
      found.emplace_back(words[0], "a receiver of CAN frames");
  }
  return found;
}

std::vector<NamedSession> parse_apple_talk(std::string_view text) {
  std::vector<NamedSession> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    const bool address = words.size() == 4 && words[1].size() == 7 && words[1] != "0000:00" && words[1][4] == ':';
    if (address && number_from<unsigned>(words[1].substr(0, 4), 16))
      found.emplace_back(words[0], "AppleTalk with the address " + std::string(words[1]));
  }
  return found;
}

std::vector<NetworkSession> parse_multicast_groups(std::string_view version4, std::string_view version6) {
  std::vector<NetworkSession> found;
  const auto add = [&found](int interface, int family, const void* group) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (interface > 0 && found.size() < most_sessions &&
        ::inet_ntop(family, group, text.data(), text.size()) != nullptr)
      found.push_back({interface, std::string(multicast_group) + text.data()});
  };
  int interface = 0;
  for (const auto line : lines_of(version4)) {
    const auto words = words_of(line);
    if (!line.starts_with('\t') && !words.empty()) interface = number_from<int>(words[0]).value_or(0);
    const auto group =
        line.starts_with('\t') && !words.empty() ? number_from<std::uint32_t>(words[0], 16) : std::nullopt;
    // As it lies in memory; 224.0.0.0/24 stays on the link.
    if (group && (*group & 0x00ffffffU) != 0x000000e0U) add(interface, AF_INET, &*group);
  }
  for (const auto line : lines_of(version6)) {
    const auto words = words_of(line);
    if (words.size() < 3 || words[2].size() != 32) continue;
    std::array<std::uint8_t, 16> group{};
    for (std::size_t at = 0; at < group.size(); ++at)
      group[at] = number_from<std::uint8_t>(words[2].substr(2 * at, 2), 16).value_or(0);
    const unsigned scope = group[1] & 0x0fU;  // 1: the host, 2: the link; ff05::2 is joined by every router
    const bool of_routers = words[2] == "ff050000000000000000000000000002";
    if (scope > 2 && !of_routers) add(number_from<int>(words[0]).value_or(0), AF_INET6, group.data());
  }
  return found;
}

std::vector<BoundSocket> parse_packet_sockets(std::string_view text) {
  std::vector<BoundSocket> found;
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);  // sk RefCnt Type Proto Iface R Rmem User Inode
    if (words.size() != 9) continue;
    const auto interface = number_from<int>(words[4]);
    const auto inode = number_from<std::uint64_t>(words[8]);
    if (interface && *interface > 0 && inode) found.push_back({*interface, *inode});
  }
  return found;
}

void add_sessions(const Tree& tree, NetworkState& state) {
  if (state.namespaces.empty()) return;
  SessionReader reader{tree, state};
  reader.add_file("proc/net/pppoe", parse_pppoe);
  for (const auto* file : {"proc/net/ip_mr_vif", "proc/net/ip6_mr_vif"})
    reader.add_file(file, parse_multicast_interfaces);
  if (exists(tree, "proc/net/can")) {
    for (const auto* list : {"all", "fil", "inv", "sff", "eff", "err"})
      reader.add_file(std::string("proc/net/can/rcvlist_") + list, parse_can_receivers);
  }
  reader.add_file("proc/net/atalk/interface", parse_apple_talk);
  state.multicast_groups = parse_multicast_groups(reader.read("proc/net/igmp"), reader.read("proc/net/igmp6"));
  reader.add_packet_generators();
  reader.add_consoles();
  reader.add_ata();
  reader.add_rdma();
  reader.add_fcoe();
  state.packet_sockets = parse_packet_sockets(reader.read("proc/net/packet"));
}

}  // namespace devbindd::sysfs
