// SPDX-License-Identifier: Apache-2.0
// The keeper and the daemon's link to it, in one process: requests, answers in their order, what is lent, what ends it.
#include "handoff/worker/keeper.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <cerrno>
#include <random>
#include <thread>

#include "handoff/worker/keeper_link.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::keeper_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using tests::run_until;

const sysfs::PciAddress card{.bus = 5};

/// A keeper in a thread, and a listener where a daemon connects.
class Keeper {
 public:
  explicit Keeper(bool read_only = false)
      : settings_{.command = {"/bin/true"},
                  .version = "7",
                  .configuration = "/etc/x.json",
                  .read_only = read_only,
                  .may_read = [](std::string_view path) { return path == "/proc/self/stat"; },
                  .is_leftover = [](std::int32_t) { return false; },
                  .put_cdi_file = [this](const PutCdiFile& file) -> sysfs::Result<> {
                    files.push_back(file.text);
                    return {};
                  },
                  .keep_cdi_files = [](const KeepCdiFiles&) -> sysfs::Result<> {
                    return sysfs::fail(sysfs::ErrorCode::Kernel, "no room", ENOSPC);
                  },
                  .log = [this](const std::string& line) { lines.push_back(line); }} {
    listener_ = sysfs::FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this] {
      status = run_keeper(sysfs::FileDescriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), settings_);
    });
  }
  ~Keeper() { join(); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  std::string path() const { return (directory_.path() / "keeper").string(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::vector<std::string> files;
  std::vector<std::string> lines;
  int status = -1;

 private:
  tests::TemporaryDirectory directory_;
  KeeperSettings settings_;
  sysfs::FileDescriptor listener_;
  std::thread thread_;
};

struct Daemon {
  explicit Daemon(Keeper& keeper) : Daemon(connect_to_keeper(keeper.path(), "7").value()) {}
  explicit Daemon(KeeperConnection connection)
      : rights(std::move(connection.rights)),
        link(KeeperLink::start(io, std::move(connection),
                               {.on_lost = [this](const std::string& why) { lost = why; },
                                .on_refused = [this](const std::string& message) { refused.push_back(message); }})) {}
  ~Daemon() { link->stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
  sysfs::FileDescriptor rights;
  std::string lost;
  std::vector<std::string> refused;
  std::shared_ptr<KeeperLink> link;
};

std::vector<KeeperRequest> samples() {
  return {StartWorker{5},
          Permit{.number = 9, .subject = "operation x", .devices = {card, {.domain = 0x10000}}, .ids = {"8086 10d3"}},
          WithdrawPermit{9},
          EndWorker{7},
          PutCdiFile{"0b-1", "{}"},
          KeepCdiFiles{{"0b-1", "0b-2"}}};
}

}  // namespace

TEST_CASE("What the daemon says to its keeper comes out as it went in, and nothing else does") {
  for (const auto& request : samples()) {
    const auto packet = encode(request);
    INFO(request.index());
    CHECK(decode_keeper_request(packet) == request);
    for (std::size_t length = 0; length < packet.size(); ++length)
      CHECK_FALSE(decode_keeper_request(packet.substr(0, length)));
    CHECK_FALSE(decode_keeper_request(packet + "x"));
    std::mt19937 random(3);  // the same each time
    for (int turn = 0; turn < 2000; ++turn) {
      auto changed = packet;
      changed[random() % changed.size()] = static_cast<char>(random());
      if (const auto decoded = decode_keeper_request(changed)) CHECK(encode(*decoded) == changed);
    }
  }
  CHECK(decode_greeting(encode(Greeting{"0.1", 7, "/etc/x"})) == Greeting{"0.1", 7, "/etc/x"});
  const KeeperAnswer answer{sysfs::Error{sysfs::ErrorCode::Kernel, "no", EPERM, "/x"}, 7};
  CHECK(encode(decode_keeper_answer(encode(answer)).value()) == encode(answer));
}

TEST_CASE("A request beyond its bounds is none") {
  Permit large{.number = 1, .subject = "x"};
  large.devices.resize(max_permitted + 1);
  const std::vector<KeeperRequest> bad = {large,
                                          Permit{.number = 1, .subject = ""},
                                          Permit{.number = 1, .subject = "a\nb"},
                                          Permit{.number = 1, .subject = std::string(max_subject + 1, 'x')},
                                          EndWorker{0},
                                          EndWorker{-1},
                                          PutCdiFile{"../x", "{}"},
                                          PutCdiFile{"", "{}"},
                                          KeepCdiFiles{{"a/b"}}};
  for (const auto& request : bad) CHECK_FALSE(decode_keeper_request(encode(request)));
}

TEST_CASE("A keeper starts workers, keeps permits and says no with a reason") {
  Keeper keeper;
  {
    Daemon daemon(keeper);
    std::vector<std::string> order;
    auto permit = daemon.link->permit({.subject = "operation 1", .devices = {card}, .ids = {"8086 10d3"}});
    daemon.link->when_settled([&] { order.emplace_back("settled"); });
    CHECK(order.empty());
    daemon.link->start_worker(5, [&](sysfs::Result<SpawnedWorker> worker) {
      order.emplace_back(worker && worker->pid > 0 && worker->socket ? "worker" : "none");
    });
    daemon.link->ask(PutCdiFile{"1-2", "text"},
                     [&](const sysfs::Result<>& done) { order.emplace_back(done ? "file" : "no"); });
    daemon.link->ask(KeepCdiFiles{}, [&](const sysfs::Result<>& done) { order.push_back(done.error().message); });
    run_until(daemon.io, [&] { return order.size() == 4; });
    CHECK(order == std::vector<std::string>{"settled", "worker", "file", "no room"});
    daemon.link->when_settled([&] { order.emplace_back("at once"); });
    CHECK(order.back() == "at once");
    permit.reset();
    auto wrong = daemon.link->permit({.subject = "operation 2", .ids = {"8086"}});
    run_until(daemon.io, [&] { return !daemon.refused.empty(); });
    CHECK(daemon.lost.empty());
  }
  keeper.join();
  CHECK(keeper.status == 0);
  CHECK(keeper.files == std::vector<std::string>{"text"});
  REQUIRE(keeper.lines.size() == 3);
  CHECK(keeper.lines[0] == "operation 1 may touch 0000:05:00.0, ID 8086 10d3");
  CHECK(keeper.lines[1] == "refused: no room");
}

TEST_CASE("A permit for more than one has room for is several, and they end together") {
  Keeper keeper;
  {
    Daemon daemon(keeper);
    Permit large{.subject = "operation 1", .ids = {"8086 10d3"}};
    for (std::size_t at = 0; at < 2 * max_permitted; ++at) {
      large.devices.push_back(
          {.domain = static_cast<std::uint32_t>(at / 256), .bus = static_cast<std::uint8_t>(at % 256)});
    }
    bool settled = false;
    auto permit = daemon.link->permit(large);
    daemon.link->when_settled([&] { settled = true; });
    run_until(daemon.io, [&] { return settled; });
    permit.reset();
    permit = daemon.link->permit(large);
    auto third = daemon.link->permit(large);  // the same devices: they take no more room
    settled = false;
    daemon.link->when_settled([&] { settled = true; });
    run_until(daemon.io, [&] { return settled; });
    CHECK(daemon.refused.empty());
    CHECK(daemon.lost.empty());
  }
  keeper.join();
  CHECK(keeper.lines.size() == 9);
}

TEST_CASE("A keeper whose configuration is read-only gives no permit") {
  Keeper keeper(true);
  Daemon daemon(keeper);
  const auto permit = daemon.link->permit({.subject = "operation 1", .devices = {card}});
  run_until(daemon.io, [&] { return !daemon.refused.empty(); });
  CHECK(daemon.refused.front().find("read-only") != std::string::npos);
}

TEST_CASE("A keeper that gets what no daemon sends ends, and the daemon hears of its end") {
  Keeper keeper;
  auto connection = connect_to_keeper(keeper.path(), "7").value();
  const auto copy = sysfs::duplicate(connection.socket.get());
  Daemon daemon(std::move(connection));
  REQUIRE(::send(copy.get(), "nonsense", 8, MSG_NOSIGNAL) == 8);
  run_until(daemon.io, [&] { return !daemon.lost.empty(); });
  bool called = false;
  daemon.link->start_worker(5, [&](const auto&) { called = true; });
  CHECK_FALSE(called);
}

TEST_CASE("A keeper of another version is refused by name") {
  Keeper keeper;
  const auto connection = connect_to_keeper(keeper.path(), "8");
  REQUIRE_FALSE(connection);
  CHECK(connection.error().errno_value == EPROTO);
  CHECK(connection.error().message.find("version 7") != std::string::npos);
  CHECK(connect_to_keeper("/nonexistent/keeper", "8").error().errno_value == ENOENT);
}

TEST_CASE("The keeper lends what it may, and says no to the rest") {
  Keeper keeper;
  auto connection = connect_to_keeper(keeper.path(), "7").value();
  std::string text;
  const auto ask = [&](std::string_view request) {
    REQUIRE(sysfs::send_with_descriptors(connection.rights.get(), request, {}));
    std::array<char, 64> answer{};
    pollfd ready{.fd = connection.rights.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    auto got = sysfs::receive_with_descriptors(connection.rights.get(), answer).value();
    REQUIRE(got.size >= 4);
    text.assign(answer.data() + 4, got.size - 4);
    return std::pair(static_cast<int>(static_cast<unsigned char>(answer[0])), got.descriptors.size());
  };
  CHECK(connection.configuration == "/etc/x.json");
  CHECK(ask("o/proc/self/stat") == std::pair(0, std::size_t{1}));
  CHECK(ask("o/etc/shadow") == std::pair(EACCES, std::size_t{0}));
  CHECK(ask("o") == std::pair(EACCES, std::size_t{0}));
  CHECK(ask("w1234") == std::pair(EINVAL, std::size_t{0}));
  const auto own = static_cast<std::int32_t>(::getpid());
  CHECK(ask("c" + std::string(reinterpret_cast<const char*>(&own), sizeof own)) == std::pair(0, std::size_t{0}));
  CHECK_FALSE(text.empty());
  CHECK(ask("c\xff\xff\xff\xff") == std::pair(EINVAL, std::size_t{0}));
  CHECK(ask("c1") == std::pair(EINVAL, std::size_t{0}));
  CHECK(ask("x") == std::pair(EINVAL, std::size_t{0}));
}

}  // namespace devbindd::keeper_test
