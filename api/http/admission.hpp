// SPDX-License-Identifier: Apache-2.0
// Who gets a connection when many want one: limits for each transport and each user, a reserve for those who may change
// things, and whose connection goes for a newcomer's. Pure. Not here: sockets (session_table.hpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace devbindd::api {

struct ConnectionLimits {
  std::size_t all = 2048;
  std::size_t reserve = 128;    ///< of all: for those who may change things
  std::size_t transport = 256;  ///< of readers, on each of Unix and TCP
  std::size_t user = 64;        ///< of readers with one uid; TCP does not tell uids
  std::size_t address = 64;     ///< of readers by TLS from one address
};

/// One connection, as far as it matters here.
struct Connected {
  bool tcp = false;  ///< or TLS
  /// Root and whoever else may change things, on a Unix socket or by TLS. Of a TCP connection nobody knows whose it is.
  bool trusted = false;
  std::optional<unsigned> uid = {};
  std::string address = {};  ///< of a TLS client
  /// Since when it waits for a whole head of a request; nullopt while a request is under way, and for one that
  /// something lasts as long as.
  std::optional<std::chrono::steady_clock::time_point> idle_since = {};
};

/// Comes in.
struct Admitted {};
/// Comes in, and the connection at that index goes.
struct AdmittedFor {
  std::size_t victim = 0;
};
/// Does not come in; a sentence that says why and what helps.
struct TurnedAway {
  std::string why;
};
using Admission = std::variant<Admitted, AdmittedFor, TurnedAway>;

/// A reader who has reached a limit gets in for the connection within that limit that has been idle for longest; where
/// none is idle he is turned away. For those who may change things only `all` counts, and a reader's idle connection
/// goes before one of theirs. Work: one pass over `present`.
Admission admit(const std::vector<Connected>& present, const Connected& newcomer, const ConnectionLimits& limits);

}  // namespace devbindd::api
