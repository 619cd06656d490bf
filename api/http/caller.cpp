// SPDX-License-Identifier: Apache-2.0
#include "api/http/caller.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace devbindd::api {
namespace {

std::vector<gid_t> supplementary_groups(int socket) {
  std::vector<gid_t> groups(64);
  auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) {
    if (errno != ERANGE) return {};
    groups.resize(bytes / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) return {};
  }
  groups.resize(bytes / sizeof(gid_t));
  return groups;
}

bool is_ipv4_loopback(std::string_view host) {
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// Where the peer has reached this end; "" where the kernel does not say.
std::string local_address_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  const void* bytes = nullptr;
  if (address.ss_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (address.ss_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (bytes == nullptr || ::inet_ntop(address.ss_family, bytes, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

}  // namespace

Caller caller_at(Entrance entrance, int socket, std::optional<unsigned> group, bool tcp_may_change) {
  switch (entrance) {
    case Entrance::Unix: return unix_caller(socket, group, Access::Read);
    case Entrance::Claims: return unix_caller(socket, group, Access::OwnClaims);
    case Entrance::Tcp: break;
  }
  return tcp_caller(tcp_may_change, local_address_of(socket));
}

bool is_trusted(const Caller& caller) {
  return caller.access == Access::Change && caller.requester.transport == "unix";
}

Caller unix_caller(int socket, std::optional<unsigned> group, Access others) {
  Caller caller{.requester = {.transport = "unix", .uid = std::nullopt, .pid = std::nullopt},
                .access = others,
                .groups = {},
                .text = "unix"};
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return caller;
  caller.requester.uid = peer.uid;
  caller.requester.pid = peer.pid;
  caller.text = "unix uid " + std::to_string(peer.uid) + " pid " + std::to_string(peer.pid);
  const auto further = supplementary_groups(socket);
  caller.groups.assign(further.begin(), further.end());
  caller.groups.push_back(peer.gid);
  const bool member = group && std::ranges::find(caller.groups, *group) != caller.groups.end();
  if (peer.uid == 0 || member) caller.access = Access::Change;
  caller.requester.may_change = caller.access == Access::Change;
  return caller;
}

Caller tcp_caller(bool may_change, std::string local_address) {
  return {.requester = {.transport = "tcp",
                        .uid = std::nullopt,
                        .pid = std::nullopt,
                        .local_address = std::move(local_address),
                        .may_change = may_change},
          .access = may_change ? Access::Change : Access::Read,
          .groups = {},
          .text = "tcp"};
}

bool is_loopback_host(std::string_view host) {
  const auto colon = host.rfind(':');
  const bool port = colon != std::string_view::npos && colon + 1 < host.size() &&
                    host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  if (port && (host.starts_with('[') ? host[colon - 1] == ']' : true)) host = host.substr(0, colon);
  constexpr std::string_view name = "localhost";
  const bool named =
      std::ranges::equal(host, name, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return named || host == "[::1]" || is_ipv4_loopback(host);
}

}  // namespace devbindd::api
