// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "daemon/supervisor.hpp"

namespace devbindd::daemon {
namespace {

constexpr std::string_view claims_socket_name = "claims";  // FileDescriptorName= of the owners' door

/// Which of them systemd has opened.
struct Passed {
  bool unix = false;
  bool claims = false;
  bool tcp = false;
};

sysfs::Result<> adopt(api::Server& server, const PassedSocket& socket, Passed& passed) {
  if (socket.kind == PassedSocket::Kind::Other)
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "the socket '" + socket.name + "' from systemd is no stream that listens on Unix or TCP",
                       EINVAL);
  if (socket.kind == PassedSocket::Kind::Tcp) {
    passed.tcp = true;
    return server.adopt_tcp(socket.descriptor);
  }
  const bool claims = socket.name == claims_socket_name;
  (claims ? passed.claims : passed.unix) = true;
  return claims ? server.adopt_claims(socket.descriptor) : server.adopt_unix(socket.descriptor);
}

sysfs::Result<> listen_tcp(api::Server& server, const TcpConfiguration& tcp) {
  auto port = server.listen_tcp(tcp.address, tcp.port);
  if (!port) {
    auto error = port.error();
    if (error.errno_value == EAFNOSUPPORT)
      error.message += " (devbindd's unit lets it make no socket of IP: systemctl enable --now devbindd-tcp.socket)";
    return std::unexpected(std::move(error));
  }
  spdlog::info("listening on {} port {} ({})", tcp.address, *port,
               tcp.every_local_user_is_admin ? "every local user may change things" : "read-only without a token");
  return {};
}

}  // namespace

sysfs::Result<> open_doors(api::Server& server, const Configuration& configuration, std::optional<unsigned> group) {
  Passed passed;
  for (const auto& socket : Supervisor::passed_sockets()) {
    if (auto done = adopt(server, socket, passed); !done) return done;
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
  return passed.tcp || !configuration.tcp ? sysfs::Result<>() : listen_tcp(server, *configuration.tcp);
}

}  // namespace devbindd::daemon
