// SPDX-License-Identifier: Apache-2.0
// The HTTP server: where it listens, who comes in, when it stops. Not here: what is said on a connection (session.hpp),
// what is answered (route.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/http/caller.hpp"
#include "api/http/server_settings.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

class Listener;
class TlsDoor;
struct Serving;
struct TlsMaterial;

class Server {
 public:
  using Settings = ServerSettings;

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
  /// Takes over a listening Unix socket that systemd has opened: for all, or for the owners of claims.
  sysfs::Result<> adopt_unix(int descriptor);
  sysfs::Result<> adopt_claims(int descriptor);
  /// Takes over a listening TCP socket that systemd has opened; one at another address than loopback is refused.
  sysfs::Result<> adopt_tcp(int descriptor);

  /// Takes these keys and certificates for TLS clients that come from now on. Error: Kernel with EINVAL: what there was
  /// stays.
  sysfs::Result<> use_tls(const TlsMaterial& material);
  /// Listens for TLS clients, once it has keys. Any address of this host. Returns the port.
  sysfs::Result<unsigned short> listen_tls(const std::string& address, unsigned short port);
  /// Takes over a listening TCP socket that systemd has opened, for TLS clients.
  sysfs::Result<> adopt_tls(int descriptor);
  /// These rules count from the next request on, also for who is connected.
  void use_access(AccessRules rules);

  /// Stops accepting, removes the sockets that it has made, and closes idle connections. Requests under way are still
  /// answered.
  void stop();
  std::size_t connections() const;

 private:
  sysfs::Result<> adopt(int descriptor, Entrance entrance);

  std::shared_ptr<Serving> serving_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::unique_ptr<TlsDoor> tls_;
  std::vector<std::string> paths_;  ///< of the sockets that were made here
};

/// Runs the daemon's thread until it is stopped: the one place where what is thrown ends. Whoever threw is told to
/// `failed`, and everything else goes on; a request whose answer went with it gets 500 internal_error from the server.
void run(boost::asio::io_context& io, const std::function<void(const std::string&)>& failed);

}  // namespace devbindd::api
