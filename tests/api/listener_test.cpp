// SPDX-License-Identifier: Apache-2.0
// Accepting, also after the kernel had no descriptor for a connection.
#include "api/http/listener.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <vector>

#include "api/http/listening_socket.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::listener_test {

using namespace devbindd::api;
using namespace std::chrono_literals;
using Client = boost::asio::local::stream_protocol::socket;

namespace {

// Lets this process have no further descriptor while it lasts.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

struct Doors {
  std::shared_ptr<Listener> open(const std::string& name) {
    const auto path = (directory.path() / name).string();
    auto acceptor = listen_at_path(io, path, 0600, std::nullopt);
    REQUIRE(acceptor);
    auto listener = std::make_shared<Listener>(io, std::move(*acceptor),
                                               [this](StreamSocket socket) { came.push_back(std::move(socket)); });
    listener->start();
    return listener;
  }
  void knock(const std::string& name) {
    auto& client = clients.emplace_back(io);
    client.connect((directory.path() / name).string());
  }

  tests::TemporaryDirectory directory;
  boost::asio::io_context io;
  std::vector<StreamSocket> came;
  std::vector<Client> clients;
};

}  // namespace

TEST_CASE("every connection is accepted, and no child process gets it", "[api][listener]") {
  Doors doors;
  const auto listener = doors.open("a");
  doors.knock("a");
  doors.knock("a");
  doors.io.run_for(10ms);
  REQUIRE(doors.came.size() == 2);
  CHECK((::fcntl(doors.came[0].native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
  listener->stop();
}

TEST_CASE("two listeners without a descriptor both go on when there are some", "[api][listener]") {
  Doors doors;
  const auto one = doors.open("a");
  const auto other = doors.open("b");
  doors.knock("a");
  doors.knock("b");
  {
    const NoDescriptors while_it_lasts;
    doors.io.run_for(20ms);
    CHECK(doors.came.empty());
  }
  doors.io.run_for(300ms);
  CHECK(doors.came.size() == 2);
  one->stop();
  other->stop();
}

TEST_CASE("a listener that was stopped accepts nobody, also not later", "[api][listener]") {
  Doors doors;
  const auto listener = doors.open("a");
  doors.knock("a");
  {
    const NoDescriptors while_it_lasts;
    doors.io.run_for(20ms);
  }
  listener->stop();
  doors.io.run_for(300ms);
  CHECK(doors.came.empty());
}

}  // namespace devbindd::listener_test
