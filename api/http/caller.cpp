// SPDX-License-Identifier: Apache-2.0
#include "api/http/caller.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
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

// What is known of the peer of a Unix socket; nothing where the kernel does not name it.
void name_peer(Caller& caller, int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  caller.requester.uid = peer.uid;
  caller.requester.pid = peer.pid;
  caller.text = "unix uid " + std::to_string(peer.uid) + " pid " + std::to_string(peer.pid);
  const auto further = supplementary_groups(socket);
  caller.identity.uid = peer.uid;
  caller.identity.groups.assign(further.begin(), further.end());
  caller.identity.groups.push_back(peer.gid);
}

void take_grant(Caller& caller, const AccessRules& rules) {
  caller.grant = grant_of(rules, caller.identity);
  caller.requester.may_change = may_change(caller.grant);
  caller.requester.permission = caller.grant.permission;
  caller.requester.token = caller.grant.token;
}

}  // namespace

Caller caller_at(Entrance entrance, int socket, const AccessRules& rules) {
  const bool tcp = entrance == Entrance::Tcp;
  Caller caller{.requester = {.transport = tcp ? "tcp" : "unix", .uid = std::nullopt, .pid = std::nullopt},
                .identity = {.entrance = entrance},
                .text = tcp ? "tcp" : "unix"};
  if (tcp) {
    caller.requester.local_address = local_address_of(socket);
  } else {
    name_peer(caller, socket);
  }
  take_grant(caller, rules);
  return caller;
}

Caller caller_with(PeerCertificate certificate, const std::string& peer, const std::string& local,
                   const AccessRules& rules) {
  const auto shown = text_of(certificate);
  Caller caller{.requester = {.transport = "tls",
                              .uid = std::nullopt,
                              .pid = std::nullopt,
                              .local_address = local,
                              .certificate = shown},
                .identity = {.entrance = Entrance::Tls,
                             .certificate = std::make_shared<const PeerCertificate>(std::move(certificate))},
                .text = "tls " + peer + " " + shown,
                .address = peer};
  take_grant(caller, rules);
  return caller;
}

Caller authorized(Caller caller, std::string_view authorization, const AccessRules& rules) {
  if (!is_by_network(caller.identity.entrance)) return caller;
  caller.identity.token = bearer_token(authorization);
  take_grant(caller, rules);
  if (!caller.grant.token.empty()) caller.text += " token " + caller.grant.token;
  return caller;
}

Caller regranted(Caller caller, const AccessRules& rules) {
  take_grant(caller, rules);
  return caller;
}

bool is_trusted(const Caller& caller) { return may_change(caller.grant) && caller.identity.entrance != Entrance::Tcp; }

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
