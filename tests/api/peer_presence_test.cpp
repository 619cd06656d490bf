// SPDX-License-Identifier: Apache-2.0
// Whether a peer has left, on real sockets of both kinds.
#include "api/http/peer_presence.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "sysfs/kernel/file_descriptor.hpp"
#include "tests/catch2.hpp"

namespace devbindd::peer_presence_test {

using devbindd::api::peer_has_left;
using devbindd::sysfs::FileDescriptor;

namespace {

using Pair = std::pair<FileDescriptor, FileDescriptor>;

Pair unix_pair() {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

Pair tcp_pair() {
  const FileDescriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listening.get(), raw, size) == 0);
  REQUIRE(::listen(listening.get(), 1) == 0);
  REQUIRE(::getsockname(listening.get(), raw, &size) == 0);
  FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), raw, size) == 0);
  FileDescriptor server(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(server);
  return {std::move(server), std::move(client)};
}

// A FIN over the loopback has arrived when the call that sends it returns, or a moment later.
bool leaves(int socket, bool tcp) {
  constexpr int patience_ms = 10000;
  pollfd end{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&end, 1, patience_ms) == 1 && peer_has_left(socket, tcp);
}

}  // namespace

TEST_CASE("a peer that is silent, or has said something, is there", "[api][peer_presence]") {
  for (const bool tcp : {false, true}) {
    INFO(tcp);
    const auto [here, there] = tcp ? tcp_pair() : unix_pair();
    CHECK_FALSE(peer_has_left(here.get(), tcp));
    REQUIRE(::write(there.get(), "x", 1) == 1);
    CHECK_FALSE(peer_has_left(here.get(), tcp));
  }
}

TEST_CASE("a peer that has closed has left, also with unread bytes", "[api][peer_presence]") {
  for (const bool tcp : {false, true}) {
    INFO(tcp);
    auto [here, there] = tcp ? tcp_pair() : unix_pair();
    REQUIRE(::write(there.get(), "x", 1) == 1);
    there = FileDescriptor();
    CHECK(leaves(here.get(), tcp));
  }
}

TEST_CASE("who has said all that he has to say is there on a Unix socket, and counts as gone over TCP",
          "[api][peer_presence]") {
  const auto [here, there] = unix_pair();
  REQUIRE(::shutdown(there.get(), SHUT_WR) == 0);
  CHECK_FALSE(peer_has_left(here.get(), false));
  const auto [server, client] = tcp_pair();
  REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
  CHECK(leaves(server.get(), true));
}

TEST_CASE("no socket has no peer", "[api][peer_presence]") {
  int closed = ::dup(STDIN_FILENO);
  REQUIRE(::close(closed) == 0);
  CHECK(peer_has_left(closed, false));
}

}  // namespace devbindd::peer_presence_test
