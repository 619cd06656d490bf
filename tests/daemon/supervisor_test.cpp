// SPDX-License-Identifier: Apache-2.0
// What systemd hears, on a socket that stands for its own.
#include "daemon/supervisor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "sysfs/kernel/file_descriptor.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::supervisor_test {

using devbindd::daemon::PassedSocket;
using devbindd::daemon::Supervisor;

namespace {

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

struct Systemd {
  Systemd() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }

  // The next message, "" where none has come.
  std::string heard() const {
    std::array<char, 256> text{};
    const auto size = ::recv(socket.get(), text.data(), text.size(), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
  }

  tests::TemporaryDirectory directory;
  std::string path = (directory.path() / "notify").string();
  sysfs::FileDescriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  Variable variable{"NOTIFY_SOCKET", path};
};

}  // namespace

TEST_CASE("systemd hears when the daemon is ready, with what, and when it stops", "[daemon][supervisor]") {
  const Systemd systemd;
  boost::asio::io_context io;
  Supervisor supervisor(io);
  supervisor.ready("3 PCI devices");
  CHECK(systemd.heard() == "READY=1\nSTATUS=3 PCI devices");
  supervisor.status("3 PCI devices");
  CHECK(systemd.heard().empty());
  supervisor.status("3 PCI devices, 1 claim");
  CHECK(systemd.heard() == "STATUS=3 PCI devices, 1 claim");
  supervisor.stopping();
  CHECK(systemd.heard() == "STOPPING=1\nSTATUS=waiting for operations to end");
}

TEST_CASE("the watchdog is fed three times in its interval, as long as a worker answers", "[daemon][supervisor]") {
  const Systemd systemd;
  const Variable interval("WATCHDOG_USEC", "30000");
  boost::asio::io_context io;
  Supervisor supervisor(io);
  bool alive = true;
  int asked = 0;
  supervisor.start([&](const std::function<void()>& answered) {
    ++asked;
    if (alive) answered();
  });
  const auto fed = [&] {
    REQUIRE(io.run_one() == 1);
    return systemd.heard() == "WATCHDOG=1";
  };
  for (int time = 0; time < 5; ++time) CHECK(fed());
  CHECK(asked == 6);
  alive = false;
  CHECK(fed());  // the last answer is one interval old
  CHECK(fed());
  for (int time = 0; time < 5; ++time) CHECK_FALSE(fed());
  CHECK(asked == 13);  // it goes on asking
  alive = true;
  CHECK_FALSE(fed());
  CHECK(fed());
}

TEST_CASE("the sign of life of a worker may come after the supervisor is gone", "[daemon][supervisor]") {
  const Systemd systemd;
  const Variable interval("WATCHDOG_USEC", "30000");
  boost::asio::io_context io;
  std::function<void()> late;
  {
    Supervisor supervisor(io);
    supervisor.start([&late](std::function<void()> answered) { late = std::move(answered); });
  }
  late();
  CHECK(systemd.heard().empty());
}

TEST_CASE("a watchdog that is off is not fed", "[daemon][supervisor]") {
  const Systemd systemd;
  boost::asio::io_context io;
  Supervisor supervisor(io);
  supervisor.start([](const std::function<void()>&) { FAIL("a worker was asked"); });
  io.run();
  CHECK(systemd.heard().empty());
}

TEST_CASE("a socket is passed to the process that systemd means", "[daemon][supervisor]") {
  constexpr int first = 3;
  if (::fcntl(first, F_GETFD) < 0) REQUIRE(::dup2(STDERR_FILENO, first) == first);
  {
    const Variable process("LISTEN_PID", std::to_string(::getppid()));
    const Variable count("LISTEN_FDS", "1");
    CHECK(Supervisor::passed_sockets().empty());
  }
  {
    const Variable process("LISTEN_PID", std::to_string(::getpid()));
    const Variable count("LISTEN_FDS", "1");
    const Variable names("LISTEN_FDNAMES", "claims");
    const auto passed = Supervisor::passed_sockets();
    REQUIRE(passed.size() == 1);
    CHECK(passed[0].descriptor == first);
    CHECK(passed[0].name == "claims");
    CHECK(passed[0].kind == PassedSocket::Kind::Other);  // the standard error of this test
    CHECK(Supervisor::passed_sockets().empty());
  }
  CHECK(Supervisor::passed_sockets().empty());
}

}  // namespace devbindd::supervisor_test
