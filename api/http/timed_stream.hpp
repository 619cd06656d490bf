// SPDX-License-Identifier: Apache-2.0
// A connection's bytes, and the time that each thing on it has. With Beast: part of the translation unit session.cpp.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <chrono>
#include <utility>

#include "api/http/first_bytes.hpp"
#include "api/http/peer_presence.hpp"
#include "api/http/reading_deadline.hpp"

namespace devbindd::api {

/// For session.cpp alone.
struct TimedStream {
  TimedStream(boost::asio::io_context& io, StreamSocket socket) : bytes(std::move(socket)), deadline(io) {}

  /// The time for what comes next, from now: then what is under way is cancelled, and `deadline` is late.
  void limit(std::chrono::milliseconds time) {
    deadline.start(time, [this] { bytes.cancel(); });
  }

  /// The same for an answer that leaves: a client who does not take it in time is cut off.
  void limit_to_write(std::chrono::milliseconds time) {
    deadline.start(time, [this] { close(); });
  }

  void end_limit() { deadline.end(); }

  void close() {
    boost::system::error_code ignored;
    deadline.end();
    bytes.socket().close(ignored);
  }

  bool peer_has_left(bool tcp) {
    return !bytes.socket().is_open() || api::peer_has_left(bytes.socket().native_handle(), tcp);
  }

  boost::beast::basic_stream<StreamSocket::protocol_type> bytes;
  ReadingDeadline deadline;
};

}  // namespace devbindd::api
