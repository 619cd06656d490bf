// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/generic_sessions.hpp"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/tipc_netlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

void add(int interface, std::string what, NetworkState& state) {
  NetworkSession session{interface, std::move(what)};
  if (interface > 0 && std::ranges::find(state.sessions, session) == state.sessions.end())
    state.sessions.push_back(std::move(session));
}

netlink::Message request_to(int family, int flags, std::uint8_t command, std::uint8_t version) {
  netlink::Message request(nlmsg_alloc_simple(family, NLM_F_REQUEST | flags));
  genlmsghdr header{.cmd = command, .version = version, .reserved = 0};
  if (request && nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) < 0) request.reset();
  return request;
}

// Its number on this kernel. Error: ENOENT where there is no such family.
Result<int> family_named(nl_sock* socket, const char* name) {
  const auto request = request_to(GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY, 1);
  if (!request || nla_put_string(request.get(), CTRL_ATTR_FAMILY_NAME, name) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  int number = 0;
  auto done = netlink::ask(socket, request.get(), "find a family of generic netlink", [&number](nlmsghdr* message) {
    std::array<nlattr*, CTRL_ATTR_MAX + 1> attributes{};
    if (nlmsg_parse(message, sizeof(genlmsghdr), attributes.data(), CTRL_ATTR_MAX, nullptr) < 0) return;
    if (attributes[CTRL_ATTR_FAMILY_ID] != nullptr) number = nla_get_u16(attributes[CTRL_ATTR_FAMILY_ID]);
  });
  if (!done) return std::unexpected(done.error());
  if (number == 0) return fail(ErrorCode::Kernel, "no such family of generic netlink", ENOENT);
  return number;
}

// "eth:eth0"
void add_bearer(nlmsghdr* message, NetworkState& state) {
  std::array<nlattr*, TIPC_NLA_MAX + 1> attributes{};
  std::array<nlattr*, TIPC_NLA_BEARER_MAX + 1> bearer{};
  if (nlmsg_parse(message, sizeof(genlmsghdr), attributes.data(), TIPC_NLA_MAX, nullptr) < 0) return;
  if (attributes[TIPC_NLA_BEARER] == nullptr) return;
  if (nla_parse_nested(bearer.data(), TIPC_NLA_BEARER_MAX, attributes[TIPC_NLA_BEARER], nullptr) < 0) return;
  if (bearer[TIPC_NLA_BEARER_NAME] == nullptr) return;
  const std::string name = nla_get_string(bearer[TIPC_NLA_BEARER_NAME]);
  const auto& interfaces = state.namespaces.front().interfaces;
  const auto found = std::ranges::find(interfaces, name.substr(name.find(':') + 1), &NetworkInterface::name);
  if (found != interfaces.end()) add(found->index, "TIPC", state);
}

void add_peer(nlattr* peer, const std::string& tunnel, NetworkState& state) {
  std::array<nlattr*, WGPEER_A_MAX + 1> attributes{};
  if (nla_parse_nested(attributes.data(), WGPEER_A_MAX, peer, nullptr) < 0) return;
  auto* endpoint = attributes[WGPEER_A_ENDPOINT];
  sockaddr_in6 address{};
  if (endpoint == nullptr || nla_len(endpoint) < static_cast<int>(sizeof(address))) return;
  std::memcpy(&address, nla_data(endpoint), sizeof(address));
  if (address.sin6_family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr)) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size()) == nullptr) return;
  add(static_cast<int>(address.sin6_scope_id), tunnel + ", a WireGuard tunnel to " + text.data(), state);
}

void add_tunnel(nlmsghdr* message, const std::string& tunnel, NetworkState& state) {
  std::array<nlattr*, WGDEVICE_A_MAX + 1> attributes{};
  if (nlmsg_parse(message, sizeof(genlmsghdr), attributes.data(), WGDEVICE_A_MAX, nullptr) < 0) return;
  if (attributes[WGDEVICE_A_PEERS] == nullptr) return;
  nlattr* peer = nullptr;
  int rest = 0;
  nla_for_each_nested(peer, attributes[WGDEVICE_A_PEERS], rest) add_peer(peer, tunnel, state);
}

Result<> add_bearers(nl_sock* socket, NetworkState& state) {
  const auto family = family_named(socket, TIPC_GENL_V2_NAME);
  if (!family) return std::unexpected(family.error());
  const auto request = request_to(*family, NLM_F_DUMP, TIPC_NL_BEARER_GET, TIPC_GENL_V2_VERSION);
  if (!request) return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  return netlink::dump(socket, request.get(), [&state](nlmsghdr* message) { add_bearer(message, state); });
}

Result<> add_tunnel(nl_sock* socket, const std::string& tunnel, NetworkState& state) {
  const auto family = family_named(socket, WG_GENL_NAME);
  if (!family) return std::unexpected(family.error());
  const auto request = request_to(*family, NLM_F_DUMP, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
  if (!request || nla_put_string(request.get(), WGDEVICE_A_IFNAME, tunnel.c_str()) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  return netlink::dump(socket, request.get(), [&](nlmsghdr* message) { add_tunnel(message, tunnel, state); });
}

}  // namespace

void add_generic_sessions(const Tree& tree, NetworkState& state) {
  if (state.namespaces.empty()) return;
  std::vector<std::string> tunnels;
  for (const auto& interface : state.namespaces.front().interfaces) {
    if (interface.type == "wireguard") tunnels.push_back(interface.name);
  }
  const bool tipc = exists(tree, "sys/module/tipc");
  if (tunnels.empty() && !tipc) return;
  const auto note = [&state](const std::string& what, const Result<>& done) {
    if (!done && done.error().errno_value != ENOENT) state.gaps.push_back(what + ": " + done.error().message);
  };
  auto socket = netlink::connect(NETLINK_GENERIC);
  if (!socket) return note("generic netlink", std::unexpected(socket.error()));
  if (tipc) note("TIPC", add_bearers(socket->get(), state));
  for (const auto& tunnel : tunnels) note("WireGuard", add_tunnel(socket->get(), tunnel, state));
}

}  // namespace devbindd::sysfs
