// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/socket_diag.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/xdp_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/ip_address.hpp"
#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_connections = 1024;
constexpr std::size_t most_bound = 1024;
constexpr std::size_t most_answer_bytes = 65536;

// The condition that one end of a connection lies in a network, as the kernel's filter takes it (net/ipv4/inet_diag.c).
// inet_diag_hostcond ends with an array of no length: here with the address.
struct InNetwork {
  inet_diag_bc_op op = {};
  std::uint8_t family = 0;
  std::uint8_t prefix_length = 0;
  std::uint16_t padding = 0;
  std::int32_t port = 0;
  std::array<std::uint8_t, 16> address = {};
};
static_assert(offsetof(InNetwork, address) == sizeof(inet_diag_bc_op) + sizeof(inet_diag_hostcond));

// A socket that is bound to some interface, or whose peer is link-local. A condition that does not hold may only lead
// to where one that holds leads, or behind the program: behind it is yes, and far behind it no.
struct Filter {
  inet_diag_bc_op unbound = {INET_DIAG_BC_DEV_COND, 0, 0};
  std::uint32_t no_interface = 0;
  InNetwork link_local = {};
};
static_assert(offsetof(Filter, link_local) == sizeof(inet_diag_bc_op) + sizeof(std::uint32_t));

struct Question {
  int family = AF_INET6;
  std::uint8_t protocol = IPPROTO_TCP;
  std::string_view name = {};
};

std::size_t address_size(int family) { return family == AF_INET6 ? 16 : 4; }

std::size_t filter_size(int family) {
  return offsetof(Filter, link_local) + offsetof(InNetwork, address) + address_size(family);
}

Filter filter_for(int family) {
  Filter filter;
  constexpr auto first = offsetof(Filter, link_local);
  const auto second = filter_size(family) - first;
  filter.unbound.yes = static_cast<unsigned char>(first);
  filter.unbound.no = static_cast<unsigned short>(first + second);
  auto& peer = filter.link_local;
  peer.op = {INET_DIAG_BC_D_COND, static_cast<unsigned char>(second), static_cast<unsigned short>(second + 4)};
  peer.family = static_cast<std::uint8_t>(family);
  peer.prefix_length = family == AF_INET6 ? 10 : 16;
  peer.port = -1;
  peer.address = family == AF_INET6 ? std::array<std::uint8_t, 16>{0xfe, 0x80} : std::array<std::uint8_t, 16>{169, 254};
  return filter;
}

std::string text_of(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, address, text.data(), text.size()) != nullptr ? text.data() : "?";
}

int interface_with(const std::vector<NetworkInterface>& interfaces, const std::string& address) {
  const auto wanted = ip_address_from(address);
  for (const auto& interface : interfaces) {
    for (const auto& own : interface.addresses) {
      if (wanted && ip_address_from(own.text) == wanted) return interface.index;
    }
  }
  return 0;
}

void add_bound(const inet_diag_msg& socket, NetworkState& state) {
  const BoundSocket found{static_cast<int>(socket.id.idiag_if), socket.idiag_inode};
  if (found.interface <= 0 || found.inode == 0 || state.packet_sockets.size() >= most_bound) return;
  if (std::ranges::find(state.packet_sockets, found) == state.packet_sockets.end())
    state.packet_sockets.push_back(found);
}

void add_socket(nlmsghdr* message, const Question& question, NetworkState& state) {
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) return;
  const auto& connection = *static_cast<const inet_diag_msg*>(nlmsg_data(message));
  const auto own = text_of(question.family, connection.id.idiag_src);
  const auto peer = text_of(question.family, connection.id.idiag_dst);
  const auto address = ip_address_from(peer);
  if (!address || !is_link_local(*address)) return add_bound(connection, state);
  if (state.sessions.size() >= most_connections) return;
  const auto bound = static_cast<int>(connection.id.idiag_if);
  const int index = bound > 0 ? bound : interface_with(state.namespaces.front().interfaces, own);
  if (index <= 0) return;
  NetworkSession session{index, std::string(question.name) + " from " + own + " to " + peer};
  if (std::ranges::find(state.sessions, session) == state.sessions.end()) state.sessions.push_back(std::move(session));
}

bool is_unknown_to_the_kernel(const Error& error) {
  return error.errno_value == ENOENT || error.errno_value == EOPNOTSUPP || error.errno_value == EINVAL;
}

Result<> ask_sockets(nl_sock* socket, const Question& question, NetworkState& state) {
  const netlink::Message request(nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP));
  inet_diag_req_v2 header{};
  header.sdiag_family = static_cast<__u8>(question.family);
  header.sdiag_protocol = question.protocol;
  header.idiag_states = 1U << TCP_ESTABLISHED | 1U << TCP_LISTEN | 1U << TCP_CLOSE;  // UDP without a peer is closed
  const auto filter = filter_for(question.family);
  const auto size = static_cast<int>(filter_size(question.family));
  if (!request || nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
      nla_put(request.get(), INET_DIAG_REQ_BYTECODE, size, &filter) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  return netlink::dump(socket, request.get(), [&](nlmsghdr* message) { add_socket(message, question, state); });
}

void add_xdp_socket(nlmsghdr* message, NetworkState& state) {
  std::array<nlattr*, XDP_DIAG_MAX + 1> attributes{};
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
  if (nlmsg_parse(message, sizeof(xdp_diag_msg), attributes.data(), XDP_DIAG_MAX, nullptr) < 0) return;
  if (attributes[XDP_DIAG_INFO] == nullptr) return;
  if (nla_len(attributes[XDP_DIAG_INFO]) < static_cast<int>(sizeof(xdp_diag_info))) return;
  xdp_diag_info info{};
  std::memcpy(&info, nla_data(attributes[XDP_DIAG_INFO]), sizeof(info));
  const auto& header = *static_cast<const xdp_diag_msg*>(nlmsg_data(message));
  const BoundSocket found{static_cast<int>(info.ifindex), header.xdiag_ino};
  if (found.interface > 0 && std::ranges::find(state.xdp_sockets, found) == state.xdp_sockets.end())
    state.xdp_sockets.push_back(found);
}

Result<> ask_xdp_sockets(nl_sock* socket, NetworkState& state) {
  xdp_diag_req header{};
  header.sdiag_family = AF_XDP;
  header.xdiag_show = XDP_SHOW_INFO;
  return netlink::dump(socket, SOCK_DIAG_BY_FAMILY, &header, sizeof(header),
                       [&](nlmsghdr* message) { add_xdp_socket(message, state); });
}

}  // namespace

std::size_t count_of_protocol(std::string_view protocols, std::string_view name) {
  for (const auto line : lines_of(protocols)) {
    const auto words = words_of(line);  // protocol size sockets memory ...
    if (words.size() > 2 && words[0] == name) return number_from<std::size_t>(words[2]).value_or(0);
  }
  return 0;
}

void add_socket_facts(const Tree& tree, NetworkState& state) {
  if (state.namespaces.empty()) return;
  const auto note = [&state](const std::string& what, const Result<>& done) {
    if (!done && !is_unknown_to_the_kernel(done.error())) state.gaps.push_back(what + ": " + done.error().message);
  };
  auto socket = netlink::connect(NETLINK_SOCK_DIAG);
  if (!socket) return note("sockets", std::unexpected(socket.error()));
  const auto protocols_in_use = tree.read("proc/net/protocols", most_answer_bytes).value_or("");
  // Asked for only when there are some: a kernel that cannot tell looks for a module each time.
  if (const auto count = count_of_protocol(protocols_in_use, "XDP"); count > 0) {
    const auto asked = ask_xdp_sockets(socket->get(), state);
    note("AF_XDP sockets", asked);
    if (!asked) state.unplaced_xdp_sockets = count;
  }
  struct Protocol {
    std::uint8_t number;
    std::string_view key;      // of IPv4 in /proc/net/protocols
    std::string_view key_six;  // of IPv6
    std::string_view name;
  };
  const std::array<Protocol, 6> protocols = {{{IPPROTO_TCP, "TCP", "TCPv6", "a TCP connection"},
                                              {IPPROTO_UDP, "UDP", "UDPv6", "a connected UDP socket"},
                                              {IPPROTO_RAW, "RAW", "RAWv6", "a connected raw socket"},
                                              {IPPROTO_SCTP, "SCTP", "SCTPv6", "an SCTP association"},
                                              {IPPROTO_UDPLITE, "UDP-Lite", "UDPLITEv6", "a connected UDP-Lite socket"},
                                              {IPPROTO_DCCP, "DCCP", "DCCPv6", "a DCCP connection"}}};
  for (const auto& [protocol, key, key_six, name] : protocols) {
    for (const int family : {AF_INET6, AF_INET}) {
      const auto row = family == AF_INET6 ? key_six : key;
      if (!protocols_in_use.empty() && count_of_protocol(protocols_in_use, row) == 0) continue;
      const auto asked = ask_sockets(socket->get(), {family, protocol, name}, state);
      note(std::string(name), asked);
      if (!asked) break;  // the kernel looks for a module each time
    }
  }
}

}  // namespace devbindd::sysfs
