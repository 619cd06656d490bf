// SPDX-License-Identifier: Apache-2.0
// One worker process, seen from the daemon: its start, its socket, the task that it has and the deadline of that.
// Not here: which task it is given (worker_pool.hpp), what the process does with it (worker.hpp).
#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "handoff/worker/task.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::handoff {

/// A process with nothing of the daemon's but one end of a socket, descriptor 3, and the other end.
struct SpawnedWorker {
  pid_t pid = 0;
  sysfs::FileDescriptor socket;
};

/// Starts the program with its arguments; blocks until it is loaded. `nice` as sysfs::yield_as_session() takes it.
/// `permits` becomes its descriptor 4, where it is not -1. Error: Kernel.
sysfs::Result<SpawnedWorker> spawn_worker(const std::vector<std::string>& command, int nice, int permits = -1);

class WorkerProcess : public std::enable_shared_from_this<WorkerProcess> {
 public:
  /// What becomes of a task: `on_overdue` or nothing, then one of the others.
  struct Events {
    std::function<void()> on_overdue;  ///< the deadline has passed; the task goes on
    std::function<void(TaskResult, std::vector<sysfs::FileDescriptor>)> on_answer;
    std::function<void()> on_unseen;  ///< the process had died before: it has not seen the task
    /// The process has ended, or sent what is no answer to the task, or its answer could not be received: then why.
    std::function<void(std::optional<sysfs::Error>)> on_lost;
  };

  WorkerProcess(boost::asio::io_context& io, SpawnedWorker spawned);

  pid_t pid() const { return pid_; }

  /// Gives it the task; it has no other. The events come later, through the io_context.
  void give(const Task& task, std::chrono::milliseconds deadline, Events events);
  /// No task of it becomes overdue any more.
  void stop_clock() noexcept { deadline_.reset(); }

 private:
  struct Turn;
  using TurnPtr = std::shared_ptr<Turn>;

  void watch(const TurnPtr& turn, std::chrono::milliseconds deadline);
  void read_first_bytes(const TurnPtr& turn);
  void read_length(const TurnPtr& turn, std::size_t read);
  void read_payload(const TurnPtr& turn);
  void end(const TurnPtr& turn);
  void lose(const TurnPtr& turn, std::optional<sysfs::Error> why = std::nullopt);

  pid_t pid_;
  boost::asio::local::stream_protocol::socket socket_;
  std::optional<boost::asio::steady_timer> deadline_;  ///< nullopt: no task of it becomes overdue
};

}  // namespace devbindd::handoff
