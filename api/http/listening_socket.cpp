// SPDX-License-Identifier: Apache-2.0
#include "api/http/listening_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Connections that wait to be accepted, which takes 0.03 ms each: whoever comes last waits for all of them, and anybody
// on the host can fill the queue. Beyond it connect(2) waits, or says EAGAIN.
constexpr int queued_connections = 256;

sysfs::Error system_error(std::string what, int errno_value, std::string path) {
  return {sysfs::ErrorCode::Kernel, std::move(what) + ": " + sysfs::errno_text(errno_value), errno_value,
          std::move(path)};
}

// A socket file on which nobody listens any more is left over from a daemon that was killed.
sysfs::Result<> remove_stale_socket(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return std::unexpected(system_error(path + " is there and is no socket", EEXIST, path));
  // Without waiting: a daemon whose queue of connections is full is there, and says so by EAGAIN.
  const sysfs::FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return std::unexpected(system_error("cannot make a socket", errno, path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool answered = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = answered ? 0 : errno;
  if (answered || error == EAGAIN)
    return std::unexpected(system_error("another daemon listens on " + path, EADDRINUSE, path));
  if (error == ENOENT) return {};
  // Anything else does not show that nobody listens: a socket of another type (EPROTOTYPE), no right to ask (EACCES).
  if (error != ECONNREFUSED)
    return std::unexpected(system_error("cannot tell whether somebody listens on " + path, error, path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return std::unexpected(system_error("cannot remove " + path, errno, path));
  return {};
}

}  // namespace

sysfs::Result<UnixAcceptor> listen_at_path(asio::io_context& io, const std::string& path, unsigned mode,
                                           std::optional<unsigned> group) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return std::unexpected(system_error("the socket path " + path, ENAMETOOLONG, path));
  if (auto done = remove_stale_socket(path); !done) return std::unexpected(done.error());
  error_code error;
  UnixAcceptor acceptor(io);
  acceptor.open(asio::local::stream_protocol(), error);
  if (!error) sysfs::close_on_exec(acceptor.native_handle());
  const auto before = ::umask(0777U & ~mode);
  if (!error) acceptor.bind(path, error);
  ::umask(before);
  if (!error) acceptor.listen(queued_connections, error);
  if (error) return std::unexpected(system_error("cannot listen on " + path, error.value(), path));
  if (group && *group != ::getegid() && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    const int failed = errno;
    ::unlink(path.c_str());
    return std::unexpected(system_error("cannot give " + path + " to group " + std::to_string(*group), failed, path));
  }
  return acceptor;
}

sysfs::Result<TcpAcceptor> listen_at_address(asio::io_context& io, const std::string& address, unsigned short port) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return std::unexpected(system_error(address + " is no IP address", EADDRNOTAVAIL, address));
  const asio::ip::tcp::endpoint endpoint(ip, port);
  TcpAcceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) sysfs::close_on_exec(acceptor.native_handle());
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(queued_connections, error);
  if (error)
    return std::unexpected(
        system_error("cannot listen on " + address + " port " + std::to_string(port), error.value(), address));
  return acceptor;
}

sysfs::Result<TcpAcceptor> listen_at_loopback(asio::io_context& io, const std::string& address, unsigned short port) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error || !ip.is_loopback()) {
    return std::unexpected(
        system_error("the TCP address " + address + " is no loopback address", EADDRNOTAVAIL, address));
  }
  return listen_at_address(io, address, port);
}

sysfs::Result<UnixAcceptor> adopt_listening(asio::io_context& io, int descriptor) {
  error_code error;
  UnixAcceptor acceptor(io);
  acceptor.assign(asio::local::stream_protocol(), descriptor, error);
  if (error) return std::unexpected(system_error("cannot use the socket that systemd passed", error.value(), {}));
  return acceptor;
}

sysfs::Result<TcpAcceptor> adopt_tcp_socket(asio::io_context& io, int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return std::unexpected(system_error("cannot use the TCP socket that systemd passed", errno, {}));
  const auto protocol = address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
  error_code error;
  TcpAcceptor acceptor(io);
  acceptor.assign(protocol, descriptor, error);
  if (error) return std::unexpected(system_error("cannot use the TCP socket that systemd passed", error.value(), {}));
  return acceptor;
}

sysfs::Result<TcpAcceptor> adopt_loopback(asio::io_context& io, int descriptor) {
  auto acceptor = adopt_tcp_socket(io, descriptor);
  if (!acceptor) return acceptor;
  error_code error;
  const auto endpoint = acceptor->local_endpoint(error);
  if (!error && endpoint.address().is_loopback()) return acceptor;
  const auto where = error ? std::string("unknown") : endpoint.address().to_string();
  return std::unexpected(system_error(
      "the TCP socket that systemd passed is at " + where + ", which is no loopback address", EADDRNOTAVAIL, where));
}

}  // namespace devbindd::api
