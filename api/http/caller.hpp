// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a connection, and what he has there.
#pragma once

#include <string>
#include <string_view>

#include "api/access/access_rules.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

struct Caller {
  handoff::Requester requester;
  Identity identity = {};
  Grant grant = {};
  std::string text;          ///< for the log: "unix uid 1000 pid 4711", "tcp", "tcp token ci",
                             ///< "tls 192.0.2.7 dns:node-3.example"
  std::string address = {};  ///< of a TLS client
};

/// Who has come in there on a connected socket: of a Unix socket by SO_PEERCRED and SO_PEERGROUPS, taken when the
/// connection was made; a peer that the kernel does not name is nobody. Source: socket(7), unix(7).
Caller caller_at(Entrance entrance, int socket, const AccessRules& rules);

/// Who has come in by TLS, from a peer address, to a local one.
Caller caller_with(PeerCertificate certificate, const std::string& peer, const std::string& local,
                   const AccessRules& rules);

/// The same caller with what an Authorization header gives him. It counts over TCP and TLS alone: on a Unix socket the
/// kernel says who he is.
Caller authorized(Caller caller, std::string_view authorization, const AccessRules& rules);

/// The same caller with what he has by the rules that are in force now.
Caller regranted(Caller caller, const AccessRules& rules);

/// Who may change things, and is known by the kernel: everybody on the host may be a TCP caller.
bool is_trusted(const Caller& caller);

/// Whether a Host header names this machine's loopback ("localhost", 127.x.y.z, [::1], with or without a port).
/// Anything else on the loopback listener is a browser that was led here by a name of somebody else's (DNS rebinding).
bool is_loopback_host(std::string_view host);

}  // namespace devbindd::api
