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
  supervisor.ready(3, false);
  CHECK(systemd.heard() == "READY=1\nSTATUS=3 PCI devices");
  supervisor.ready(4, true);
  CHECK(systemd.heard() == "READY=1\nSTATUS=4 PCI devices, read-only");
  supervisor.stopping();
  CHECK(systemd.heard() == "STOPPING=1");
}

TEST_CASE("the watchdog is fed three times in its interval, again and again", "[daemon][supervisor]") {
  const Systemd systemd;
  const Variable interval("WATCHDOG_USEC", "30000");
  boost::asio::io_context io;
  Supervisor supervisor(io);
  supervisor.start();
  for (int time = 0; time < 2; ++time) {
    REQUIRE(io.run_one() == 1);
    CHECK(systemd.heard() == "WATCHDOG=1");
  }
}

TEST_CASE("a watchdog that is off is not fed", "[daemon][supervisor]") {
  const Systemd systemd;
  boost::asio::io_context io;
  Supervisor supervisor(io);
  supervisor.start();
  io.run();
  CHECK(systemd.heard().empty());
}

TEST_CASE("a socket is passed to the process that systemd means", "[daemon][supervisor]") {
  constexpr int first = 3;
  if (::fcntl(first, F_GETFD) < 0) REQUIRE(::dup2(STDERR_FILENO, first) == first);
  {
    const Variable process("LISTEN_PID", std::to_string(::getppid()));
    const Variable count("LISTEN_FDS", "1");
    CHECK(Supervisor::passed_socket() == std::nullopt);
  }
  {
    const Variable process("LISTEN_PID", std::to_string(::getpid()));
    const Variable count("LISTEN_FDS", "1");
    CHECK(Supervisor::passed_socket() == first);
    CHECK(Supervisor::passed_socket() == std::nullopt);
  }
  CHECK(Supervisor::passed_socket() == std::nullopt);
}

}  // namespace devbindd::supervisor_test
