// SPDX-License-Identifier: Apache-2.0
// What is said on one connection: head, body, handler, answer, and again. session.cpp is the only translation unit that
// knows Beast. Not here: who gets a connection (admission.hpp), what is answered (route.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "api/http/caller.hpp"
#include "api/http/first_bytes.hpp"
#include "api/http/server_settings.hpp"
#include "api/http/session_table.hpp"

namespace devbindd::api {

/// What the connections of a server share. They may outlive it by one answer. All on the daemon's thread.
struct Serving {
  boost::asio::io_context& io;
  ServerSettings settings;
  SessionTable sessions = {};
  unsigned access_version = 0;  ///< counts changes of the rules in the settings
  bool stopping = false;        ///< each connection ends with the answer that is under way
};

/// Serves a connection that has been admitted, until either side ends it; it adds itself to the table of sessions.
void serve(std::shared_ptr<Serving> serving, StreamSocket socket, Caller caller);

/// Answers 503 too_many_connections with that sentence, and ends the connection.
void turn_away(std::shared_ptr<Serving> serving, StreamSocket socket, Caller caller, const std::string& why);

}  // namespace devbindd::api
