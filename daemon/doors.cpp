// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "daemon/supervisor.hpp"
#include "daemon/tls_files.hpp"

namespace devbindd::daemon {
namespace {

constexpr std::string_view tls_socket_name = "tls";
constexpr std::string_view claims_socket_name = "claims";  // FileDescriptorName= of the owners' door

/// Which of them systemd has opened.
struct Passed {
  bool unix = false;
  bool claims = false;
  bool tcp = false;
  bool tls = false;
};

sysfs::Result<> adopt(api::Server& server, const PassedSocket& socket, bool tls, Passed& passed) {
  if (socket.kind == PassedSocket::Kind::Other)
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "the socket '" + socket.name + "' from systemd is no stream that listens on Unix or TCP",
                       EINVAL);
  if (socket.kind == PassedSocket::Kind::Tcp && socket.name == tls_socket_name) {
    passed.tls = true;
    if (tls) return server.adopt_tls(socket.descriptor);
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "systemd passes a socket for TLS, and the configuration has no \"tls\" with its certificates",
                       EINVAL);
  }
  if (socket.kind == PassedSocket::Kind::Tcp) {
    passed.tcp = true;
    return server.adopt_tcp(socket.descriptor);
  }
  const bool claims = socket.name == claims_socket_name;
  (claims ? passed.claims : passed.unix) = true;
  return claims ? server.adopt_claims(socket.descriptor) : server.adopt_unix(socket.descriptor);
}

sysfs::Error by_systemd(sysfs::Error error, const std::string& unit) {
  if (error.errno_value == EAFNOSUPPORT)
    error.message += " (devbindd's unit lets it make no socket of IP: systemctl enable --now " + unit + ")";
  return error;
}

sysfs::Result<> listen_tls(api::Server& server, const TlsConfiguration& tls) {
  auto port = server.listen_tls(tls.address, tls.port);
  if (!port) return std::unexpected(by_systemd(port.error(), "devbindd-tls.socket"));
  spdlog::info("listening on {} port {} (TLS)", tls.address, *port);
  return {};
}

sysfs::Result<> listen_tcp(api::Server& server, const TcpConfiguration& tcp) {
  auto port = server.listen_tcp(tcp.address, tcp.port);
  if (!port) return std::unexpected(by_systemd(port.error(), "devbindd-tcp.socket"));
  spdlog::info("listening on {} port {} ({})", tcp.address, *port,
               tcp.every_local_user_is_admin ? "every local user may change things" : "read-only without a token");
  return {};
}

}  // namespace

sysfs::Result<> use_tls_files(api::Server& server, const Configuration& configuration) {
  if (!configuration.tls) return {};
  const auto material = read_tls_files(*configuration.tls);
  if (!material) return std::unexpected(material.error());
  return server.use_tls(*material);
}

sysfs::Result<> open_doors(api::Server& server, const Configuration& configuration, std::optional<unsigned> group) {
  Passed passed;
  if (auto done = use_tls_files(server, configuration); !done) return done;
  for (const auto& socket : Supervisor::passed_sockets()) {
    if (auto done = adopt(server, socket, configuration.tls.has_value(), passed); !done) return done;
    spdlog::info("listening on the socket '{}' from systemd", socket.name);
  }
  if (!passed.unix) {
    auto done = server.listen_unix(configuration.unix_path, configuration.unix_mode, group);
    if (!done) return done;
    spdlog::info("listening on {}", configuration.unix_path);
  }
  if (!passed.claims && !configuration.claims_path.empty()) {
    if (auto done = server.listen_claims(configuration.claims_path); !done) return done;
    spdlog::info("listening on {} (for the owners of claims)", configuration.claims_path);
  }
  if (!passed.tls && configuration.tls) {
    if (auto done = listen_tls(server, *configuration.tls); !done) return done;
  }
  return passed.tcp || !configuration.tcp ? sysfs::Result<>() : listen_tcp(server, *configuration.tcp);
}

}  // namespace devbindd::daemon
