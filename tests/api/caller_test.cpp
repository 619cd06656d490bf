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

using devbindd::api::AccessRules;
using devbindd::api::authorized;
using devbindd::api::caller_at;
using devbindd::api::default_rules;
using devbindd::api::Entrance;
using devbindd::api::is_loopback_host;
using devbindd::api::is_trusted;
using devbindd::api::Role;
using devbindd::api::WhoKind;
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

TEST_CASE("the kernel names the peer of a Unix socket", "[api][caller]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const FileDescriptor one(ends[0]);
  const FileDescriptor other(ends[1]);
  const auto caller = caller_at(Entrance::Unix, one.get(), default_rules(std::nullopt, "devbindd"));
  CHECK(caller.requester.uid == ::getuid());
  CHECK(caller.requester.pid == ::getpid());
  CHECK(caller.identity.groups.back() == ::getgid());
  CHECK((caller.grant.role == Role::Admin) == (::getuid() == 0));
  CHECK(caller.requester.may_change == (::getuid() == 0));
  const auto member = caller_at(Entrance::Claims, one.get(), default_rules(::getgid(), "devbindd"));
  CHECK(member.grant.role == Role::Admin);
  CHECK(member.requester.permission == member.grant.permission);
}

TEST_CASE("whom the kernel does not name is nobody", "[api][caller]") {
  const AccessRules rules{.rules = {{{.kind = WhoKind::User, .name = "root", .number = 0}, Role::Admin},
                                    {{.kind = WhoKind::Everyone}, Role::Reader}}};
  const FileDescriptor alone(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(caller_at(Entrance::Unix, -1, rules).grant.role == Role::Reader);
  CHECK_FALSE(caller_at(Entrance::Unix, -1, rules).requester.uid);
  CHECK(caller_at(Entrance::Claims, -1, rules).grant.role == Role::None);
  CHECK(caller_at(Entrance::Claims, -1, rules).grant.owns_claims);
  CHECK(caller_at(Entrance::Unix, -1, AccessRules{}).grant.role == Role::None);
  CHECK(caller_at(Entrance::Tcp, -1, rules).requester.local_address == "");
}

TEST_CASE("where a TCP caller has reached the daemon is known", "[api][caller]") {
  const FileDescriptor four(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  REQUIRE(::bind(four.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(caller_at(Entrance::Tcp, four.get(), {}).requester.local_address == "127.0.0.2");
  const FileDescriptor six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (six) CHECK(caller_at(Entrance::Tcp, six.get(), {}).requester.local_address == "::");
}

TEST_CASE("only whom the kernel names is trusted", "[api][caller]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const FileDescriptor one(ends[0]);
  const FileDescriptor other(ends[1]);
  auto rules = default_rules(::getgid(), "devbindd");
  CHECK(is_trusted(caller_at(Entrance::Unix, one.get(), rules)));
  CHECK_FALSE(is_trusted(caller_at(Entrance::Unix, -1, rules)));
  rules.every_local_user_is_admin = true;
  const auto tcp = caller_at(Entrance::Tcp, -1, rules);
  CHECK(tcp.grant.role == Role::Admin);
  CHECK_FALSE(is_trusted(tcp));
}

TEST_CASE("a token counts over TCP alone", "[api][caller]") {
  const auto digest =
      api::token_digest_named("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").value();
  const AccessRules rules{.rules = {{{.kind = WhoKind::Token, .name = "ci", .digest = digest}, Role::Operator}}};
  const auto tcp = caller_at(Entrance::Tcp, -1, rules);
  CHECK(tcp.grant.role == Role::None);
  const auto bearer = authorized(tcp, "Bearer test", rules);
  CHECK(bearer.grant.role == Role::Operator);
  CHECK(bearer.requester.token == "ci");
  CHECK(bearer.requester.may_change);
  CHECK(bearer.text == "tcp token ci");
  for (const auto* header : {"Bearer Test", "Bearer", "Basic dGVzdA==", ""}) {
    INFO(header);
    CHECK(authorized(tcp, header, rules).grant.wrong_token);
  }
  const auto at_the_socket = authorized(caller_at(Entrance::Unix, -1, rules), "Bearer test", rules);
  CHECK(at_the_socket.grant.role == Role::None);
  CHECK_FALSE(at_the_socket.grant.wrong_token);
}

}  // namespace devbindd::caller_test
