// SPDX-License-Identifier: Apache-2.0
// Who calls: names of the loopback, peers of real sockets.
#include "api/http/caller.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "sysfs/kernel/file_descriptor.hpp"
#include "tests/catch2.hpp"

namespace devbindd::caller_test {

using devbindd::api::Access;
using devbindd::api::caller_at;
using devbindd::api::Entrance;
using devbindd::api::is_loopback_host;
using devbindd::api::is_trusted;
using devbindd::api::tcp_caller;
using devbindd::api::unix_caller;
using devbindd::sysfs::FileDescriptor;

TEST_CASE("names of the loopback", "[api][caller]") {
  for (const auto* host :
       {"localhost", "localhost:8480", "127.0.0.1", "127.0.0.1:1", "127.255.3.4:65535", "[::1]", "[::1]:8480"}) {
    INFO(host);
    CHECK(is_loopback_host(host));
  }
}

TEST_CASE("every other name is somebody else's", "[api][caller]") {
  for (const auto* host : {"",
                           "example.com",
                           "example.com:80",
                           "localhost.example.com",
                           "localhost:",
                           "localhost:80x",
                           "127.0.0.1.example.com",
                           "127.0.0.1@example.com",
                           "128.0.0.1",
                           "10.0.0.1",
                           "0.0.0.0",
                           "[::2]",
                           "[::1]x",
                           "[::1",
                           "::1",
                           ":80",
                           "[::1]:",
                           "2130706433",
                           "xn--localhost",
                           "localhost\t"}) {
    INFO(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}

TEST_CASE("TCP callers may change things only when that is configured", "[api][caller]") {
  CHECK(tcp_caller(false, "127.0.0.1").access == Access::Read);
  CHECK(tcp_caller(true, "127.0.0.1").access == Access::Change);
  CHECK_FALSE(tcp_caller(true, "127.0.0.1").requester.uid);
  CHECK(tcp_caller(false, "127.0.0.1").requester.transport == "tcp");
}

TEST_CASE("the kernel names the peer of a Unix socket", "[api][caller]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const FileDescriptor one(ends[0]);
  const FileDescriptor other(ends[1]);
  const auto caller = unix_caller(one.get(), std::nullopt);
  CHECK(caller.requester.uid == ::getuid());
  CHECK(caller.requester.pid == ::getpid());
  CHECK((caller.access == Access::Change) == (::getuid() == 0));
  CHECK(unix_caller(one.get(), ::getgid()).access == Access::Change);
  CHECK(unix_caller(-1, std::nullopt).access == Access::Read);
}

TEST_CASE("each entrance lets in whoever comes with the rights that belong to it", "[api][caller]") {
  // A socket that the kernel names no peer of: one of the others, who may not change things.
  const FileDescriptor alone(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(caller_at(Entrance::Unix, -1, std::nullopt, true).access == Access::Read);
  CHECK(caller_at(Entrance::Claims, -1, std::nullopt, true).access == Access::OwnClaims);
  CHECK(caller_at(Entrance::Tcp, -1, std::nullopt, false).access == Access::Read);
  CHECK(caller_at(Entrance::Tcp, -1, std::nullopt, true).access == Access::Change);
  CHECK(caller_at(Entrance::Tcp, alone.get(), std::nullopt, true).requester.local_address == "");
}

TEST_CASE("where a TCP caller has reached the daemon is known", "[api][caller]") {
  const FileDescriptor four(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  REQUIRE(::bind(four.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(caller_at(Entrance::Tcp, four.get(), std::nullopt, false).requester.local_address == "127.0.0.2");
  const FileDescriptor six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (six) CHECK(caller_at(Entrance::Tcp, six.get(), std::nullopt, false).requester.local_address == "::");
}

TEST_CASE("only whom the kernel names is trusted", "[api][caller]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const FileDescriptor one(ends[0]);
  const FileDescriptor other(ends[1]);
  CHECK(is_trusted(unix_caller(one.get(), ::getgid())));
  CHECK_FALSE(is_trusted(unix_caller(-1, ::getgid())));
  CHECK_FALSE(is_trusted(tcp_caller(true, "127.0.0.1")));
}

}  // namespace devbindd::caller_test
