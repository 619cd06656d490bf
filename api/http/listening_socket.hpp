// SPDX-License-Identifier: Apache-2.0
// Sockets that listen: made at a path or at a loopback address, or taken over from systemd. Not here: accepting
// (listener.hpp). Errors: Kernel.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <optional>
#include <string>

#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

using UnixAcceptor = boost::asio::local::stream_protocol::acceptor;
using TcpAcceptor = boost::asio::ip::tcp::acceptor;

/// A Unix socket with that mode, and of that group where one is given. A stale socket file of an earlier daemon is
/// replaced; one that somebody answers on is not, nor anything else that is there.
sysfs::Result<UnixAcceptor> listen_at_path(boost::asio::io_context& io, const std::string& path, unsigned mode,
                                           std::optional<unsigned> group);

/// Any address of this host. Port 0 lets the kernel choose.
sysfs::Result<TcpAcceptor> listen_at_address(boost::asio::io_context& io, const std::string& address,
                                             unsigned short port);

/// A loopback address; any other address is refused (EADDRNOTAVAIL). Port 0 lets the kernel choose.
sysfs::Result<TcpAcceptor> listen_at_loopback(boost::asio::io_context& io, const std::string& address,
                                              unsigned short port);

/// A Unix socket that listens already.
sysfs::Result<UnixAcceptor> adopt_listening(boost::asio::io_context& io, int descriptor);

/// A TCP socket that listens already.
sysfs::Result<TcpAcceptor> adopt_tcp_socket(boost::asio::io_context& io, int descriptor);

/// The same, at a loopback address; any other is refused, as above.
sysfs::Result<TcpAcceptor> adopt_loopback(boost::asio::io_context& io, int descriptor);

}  // namespace devbindd::api
