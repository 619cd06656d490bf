// SPDX-License-Identifier: Apache-2.0
// The HTTP server: sockets, sessions, timeouts, limits, access. The only translation unit behind it that knows Beast.
// Not here: what is answered (route.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "api/http/admission.hpp"
#include "api/http/message.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

struct Limits {
  ConnectionLimits connections;
  std::size_t refusals = 32;  ///< connections that are told at one time that there is no room; the others are closed
  std::chrono::milliseconds header_time{5'000};
  std::chrono::milliseconds body_time{10'000};
  std::chrono::milliseconds idle_time{60'000};
  std::chrono::milliseconds write_time{30'000};
};

/// One line about a request that was answered, for the log.
struct AccessRecord {
  std::string request_id;
  std::string caller;  ///< "unix uid 0" or "tcp 127.0.0.1"
  std::string method;
  std::string target;
  int status = 0;
  std::chrono::microseconds duration{0};
};

class Server {
 public:
  struct Settings {
    Limits limits;
    /// Unix callers with this group (besides root) may change things; nullopt: root alone.
    std::optional<unsigned> unix_group;
    bool tcp_may_change = false;
    std::function<void(const Request&, Respond)> handle;
    std::function<void(const AccessRecord&)> log;
  };

  Server(boost::asio::io_context& io, Settings settings);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens on a Unix socket. A stale socket file of an earlier daemon is replaced, one that somebody answers on is
  /// not. Errors: Kernel.
  sysfs::Result<> listen_unix(const std::string& path, unsigned mode, std::optional<unsigned> group);
  /// Listens on a Unix socket that everybody may open, for the owners of claims: who may not change things has nothing
  /// there but the claims whose owner he is. Errors as listen_unix().
  sysfs::Result<> listen_claims(const std::string& path);
  /// Listens on a loopback address; any other address is refused (EADDRNOTAVAIL). Port 0 lets the kernel choose.
  /// Returns the port.
  sysfs::Result<unsigned short> listen_tcp(const std::string& address, unsigned short port);
  /// Takes over a listening Unix socket that systemd has opened.
  sysfs::Result<> adopt_unix(int descriptor);

  /// Stops accepting, removes the sockets that it has made, and closes idle connections. Requests under way are still
  /// answered.
  void stop();
  std::size_t connections() const;

  struct Impl;  ///< shared with the sessions, which may outlive the server by one answer

 private:
  std::shared_ptr<Impl> impl_;
};

/// Runs the daemon's thread until it is stopped: the one place where what is thrown ends. Whoever threw is told to
/// `failed`, and everything else goes on; a request whose answer went with it gets 500 internal_error from the server.
void run(boost::asio::io_context& io, const std::function<void(const std::string&)>& failed);

}  // namespace devbindd::api
