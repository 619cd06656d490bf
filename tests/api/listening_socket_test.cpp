// SPDX-License-Identifier: Apache-2.0
// Where a daemon may listen: what it replaces, what it leaves alone, whom it lets in.
#include "api/http/listening_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "sysfs/kernel/file_descriptor.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::listening_socket_test {

using namespace devbindd::api;
using devbindd::sysfs::FileDescriptor;

namespace {

struct Place {
  tests::TemporaryDirectory directory;
  std::string path = (directory.path() / "api.sock").string();
  boost::asio::io_context io;
};

// A socket file of that type, on which somebody listens or not.
FileDescriptor socket_at(const std::string& path, int type, bool listens) {
  FileDescriptor made(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (listens) REQUIRE(::listen(made.get(), 1) == 0);
  return made;
}

unsigned mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a socket has the mode that was asked for, whatever the umask", "[api][listening_socket]") {
  Place place;
  const auto before = ::umask(0077);
  const auto made = listen_at_path(place.io, place.path, 0666, std::nullopt);
  ::umask(before);
  REQUIRE(made);
  CHECK(mode_of(place.path) == 0666);
  CHECK((::fcntl(const_cast<UnixAcceptor&>(*made).native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a socket file of a daemon that was killed is replaced", "[api][listening_socket]") {
  Place place;
  socket_at(place.path, SOCK_STREAM, true);  // closed at once: its file stays
  CHECK(listen_at_path(place.io, place.path, 0600, std::nullopt));
}

TEST_CASE("a socket that somebody listens on is left to him", "[api][listening_socket]") {
  Place place;
  const auto other = socket_at(place.path, SOCK_STREAM, true);
  const auto made = listen_at_path(place.io, place.path, 0600, std::nullopt);
  REQUIRE_FALSE(made);
  CHECK(made.error().errno_value == EADDRINUSE);
  CHECK(made.error().message.starts_with("another daemon listens on "));
  CHECK(mode_of(place.path) != 0);
}

TEST_CASE("a file that is no socket, and a socket of another type, are left alone", "[api][listening_socket]") {
  Place place;
  std::ofstream(place.path) << "somebody's";
  const auto at_file = listen_at_path(place.io, place.path, 0600, std::nullopt);
  REQUIRE_FALSE(at_file);
  CHECK(at_file.error().errno_value == EEXIST);
  const auto other = place.path + "2";
  const auto datagrams = socket_at(other, SOCK_DGRAM, false);
  const auto at_socket = listen_at_path(place.io, other, 0600, std::nullopt);
  REQUIRE_FALSE(at_socket);
  CHECK(at_socket.error().errno_value == EPROTOTYPE);
}

TEST_CASE("a path that no socket address has room for is an error, not a shorter path", "[api][listening_socket]") {
  Place place;
  const auto made = listen_at_path(place.io, place.path + std::string(120, 'x'), 0600, std::nullopt);
  REQUIRE_FALSE(made);
  CHECK(made.error().errno_value == ENAMETOOLONG);
}

TEST_CASE("TCP is for this host alone", "[api][listening_socket]") {
  boost::asio::io_context io;
  for (const auto* address : {"0.0.0.0", "192.0.2.1", "::", "localhost", ""}) {
    INFO(address);
    const auto made = listen_at_loopback(io, address, 0);
    REQUIRE_FALSE(made);
    CHECK(made.error().errno_value == EADDRNOTAVAIL);
  }
  const auto made = listen_at_loopback(io, "127.0.0.1", 0);
  REQUIRE(made);
  CHECK(made->local_endpoint().port() != 0);
}

TEST_CASE("what systemd has passed must be a socket", "[api][listening_socket]") {
  boost::asio::io_context io;
  Place place;
  auto passed = socket_at(place.path, SOCK_STREAM, true);
  CHECK(adopt_listening(io, passed.release()));
  const auto nothing = adopt_listening(io, -1);
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().errno_value == EBADF);
}

TEST_CASE("a TCP socket that systemd has passed must be at a loopback address", "[api][listening_socket]") {
  boost::asio::io_context io;
  const auto passed = [&io](const char* address) {
    TcpAcceptor made(io, {boost::asio::ip::make_address(address), 0});
    return made.release();
  };
  for (const auto* address : {"127.0.0.1", "::1"}) {
    const auto adopted = adopt_loopback(io, passed(address));
    REQUIRE(adopted);
    CHECK(adopted->local_endpoint().address().to_string() == address);
  }
  for (const auto* address : {"0.0.0.0", "::"}) {
    const auto adopted = adopt_loopback(io, passed(address));
    REQUIRE_FALSE(adopted);
    CHECK(adopted.error().errno_value == EADDRNOTAVAIL);
  }
  CHECK(adopt_loopback(io, -1).error().errno_value == EBADF);
}

}  // namespace devbindd::listening_socket_test
