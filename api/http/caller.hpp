// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a connection, and what he may do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"

namespace devbindd::api {

struct Caller {
  handoff::Requester requester;
  Access access = Access::Read;
  std::vector<unsigned> groups = {};  ///< of a Unix caller: all that the kernel counts him in
  std::string text;                   ///< for the log: "unix uid 1000 pid 4711", "tcp"
};

/// The peer of a Unix socket by SO_PEERCRED and SO_PEERGROUPS, taken when the connection was made: root and members of
/// `group` may change things, and the others what `others` says; a peer that the kernel does not name is one of those.
/// Source: socket(7), unix(7).
Caller unix_caller(int socket, std::optional<unsigned> group, Access others = Access::Read);

/// Where connections come in, each with what it lets those do who may not change things: on the Unix socket and over
/// TCP read, on the socket of the owners of claims what is said at Access::OwnClaims.
enum class Entrance { Unix, Claims, Tcp };

/// Who has come in there on a connected socket. `group`: as at unix_caller(); `tcp_may_change`: whether all TCP callers
/// may change things.
Caller caller_at(Entrance entrance, int socket, std::optional<unsigned> group, bool tcp_may_change);

/// Root and whoever else may change things, known by the kernel: everybody on the host may be a TCP caller.
bool is_trusted(const Caller& caller);

/// `local_address`: where the caller reached the daemon.
Caller tcp_caller(bool may_change, std::string local_address);

/// Whether a Host header names this machine's loopback ("localhost", 127.x.y.z, [::1], with or without a port).
/// Anything else on the loopback listener is a browser that was led here by a name of somebody else's (DNS rebinding).
bool is_loopback_host(std::string_view host);

}  // namespace devbindd::api
