// SPDX-License-Identifier: Apache-2.0
// The keeper, seen from the daemon: requests go out in their order, answers come in it. Not here: what the keeper does
// (keeper.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/worker/keeper_wire.hpp"
#include "handoff/worker/permit.hpp"
#include "handoff/worker/worker_process.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::handoff {

/// A keeper that has greeted, and nothing else yet.
struct KeeperConnection {
  sysfs::FileDescriptor socket;
  sysfs::FileDescriptor rights;  ///< for sysfs::borrow_rights_through()
  std::int32_t pid = 0;
  std::string configuration;  ///< the file that the keeper goes by
};

/// Connects to the keeper's socket and waits for its greeting, fifteen seconds at most. Errors: Kernel; EPROTO for a
/// keeper of another version than `version`.
sysfs::Result<KeeperConnection> connect_to_keeper(const std::string& path, std::string_view version);

class KeeperLink : public std::enable_shared_from_this<KeeperLink> {
 public:
  struct Hooks {
    std::function<void(const std::string& why)> on_lost;  ///< the keeper is gone: no worker can be started any more
    std::function<void(const std::string& message)> on_refused;  ///< a request that nobody waits for
  };

  static std::shared_ptr<KeeperLink> start(boost::asio::io_context& io, KeeperConnection connection, Hooks hooks);

  /// Error: Kernel.
  void start_worker(int nice, std::function<void(sysfs::Result<SpawnedWorker>)> done);
  /// See AskPermit.
  std::shared_ptr<void> permit(Permit permit);
  void end_worker(std::int32_t pid);
  /// For what only succeeds or fails.
  void ask(const KeeperRequest& request, std::function<void(sysfs::Result<>)> done);

  /// Runs `work` when every permit asked for before has its answer; at once where none is open.
  void when_settled(std::function<void()> work);
  /// Nothing is called any more.
  void stop();

 private:
  void watch();
  using Done = std::function<void(KeeperAnswer, std::vector<sysfs::FileDescriptor>)>;

  KeeperLink(boost::asio::io_context& io, sysfs::FileDescriptor socket, Hooks hooks);
  void put(const KeeperRequest& request, Done done);
  void send();
  void receive();
  void take_packets();
  void take(std::string_view packet, std::vector<sysfs::FileDescriptor> descriptors);
  void lose(const std::string& why);

  boost::asio::posix::stream_descriptor socket_;
  Hooks hooks_;
  std::deque<std::string> outgoing_ = {};
  bool sending_ = false;
  boost::asio::steady_timer late_;  ///< for the answer to the oldest request
  std::uint64_t last_permit_ = 0;
  /// In the order of the requests; what waits for those before stands between them.
  struct Open {
    Done done;
    bool permit;
    std::vector<std::function<void()>> after = {};
  };
  std::deque<Open> open_ = {};
  bool stopped_ = false;
};

}  // namespace devbindd::handoff
