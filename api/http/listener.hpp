// SPDX-License-Identifier: Apache-2.0
// Accepts connections at one listening socket, until it is stopped. Not here: whose they are, and whether there is
// room.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "api/http/first_bytes.hpp"

namespace devbindd::api {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  using Acceptor = boost::asio::basic_socket_acceptor<StreamSocket::protocol_type>;

  /// `on_connection` gets each of them, close-on-exec.
  Listener(boost::asio::io_context& io, Acceptor acceptor, std::function<void(StreamSocket)> on_connection);

  /// Where the kernel has no descriptor or memory for a connection it is tried again a little later: giving up would
  /// leave a daemon that nobody reaches.
  void start();
  /// Closes the socket. `on_connection` is not called any more.
  void stop();

 private:
  void on_accepted(const boost::system::error_code& error, StreamSocket socket);
  void try_again_later();

  Acceptor acceptor_;
  boost::asio::steady_timer retry_;
  std::function<void(StreamSocket)> on_connection_;
  bool stopped_ = false;
};

}  // namespace devbindd::api
