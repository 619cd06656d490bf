// SPDX-License-Identifier: Apache-2.0
// Starts worker processes on a thread of its own: whoever starts a program waits until the new process has loaded it,
// and on a busy host that waits for a processor, tens of milliseconds long. Not here: what for (worker_pool.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handoff/worker/worker_process.hpp"

namespace devbindd::handoff {

/// Starts one with the nice value; the answer comes where the daemon's thread is.
using StartElsewhere = std::function<void(int nice, std::function<void(sysfs::Result<SpawnedWorker>)>)>;

class WorkerStarter {
 public:
  using Started = std::function<void(sysfs::Result<std::shared_ptr<WorkerProcess>>)>;

  /// `command` as spawn_worker() takes it. `elsewhere`: has another process start them; null: this one does.
  WorkerStarter(boost::asio::io_context& io, std::vector<std::string> command, StartElsewhere elsewhere = {})
      : io_(io), command_(std::move(command)), elsewhere_(std::move(elsewhere)) {}

  /// Whether they are children of this process.
  bool are_children() const { return !elsewhere_; }

  /// Starts one, and tells it where `io` runs. Error: Kernel. `nice` as sysfs::yield_as_session() takes it.
  void start(int nice, Started done);

  /// Waits for the one that is being started; nothing is told any more unless `io` still runs.
  void stop() { thread_.join(); }

 private:
  boost::asio::io_context& io_;
  std::vector<std::string> command_;
  StartElsewhere elsewhere_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace devbindd::handoff
