// SPDX-License-Identifier: Apache-2.0
// The worker processes, seen from the daemon: started ahead of need with nothing of the daemon's but one socket each,
// given one task each, watched by a deadline, never killed (a signal helps nothing in the kernel), left to themselves
// when they are stuck. Questions cannot crowd out what was accepted: an operation has a worker of its own (a lane), and
// each kind of the other tasks a share of the workers (worker_share.hpp). Nor do they crowd out the daemon: workers for
// the questions of readers take of the processor what others leave.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "handoff/worker/worker_share.hpp"
#include "handoff/worker/worker_starter.hpp"

namespace devbindd::handoff {

/// Workers that can be at work at once: they search and read, so that more than a few for each processor only wait for
/// each other, and the daemon for them. From 3 to 8: one may hang in the kernel while others go on.
std::size_t useful_at_once();

/// The worker processes at one moment.
struct WorkerUse {
  std::size_t idle = 0;
  std::size_t working = 0;
  std::size_t stuck = 0;               ///< they have not answered within their deadline
  std::size_t lanes = 0;               ///< those of operations, and workers still at a task of one that is over
  std::size_t waiting_of_readers = 0;  ///< tasks that wait for a worker
  std::size_t waiting_of_changers = 0;
  std::size_t waiting_of_upkeep = 0;
};

class WorkerPool {
 public:
  struct Settings {
    std::vector<std::string> command;     ///< program and arguments; the socket is descriptor 3 of the new process
    StartElsewhere start_elsewhere = {};  ///< where they are no children of this process
    std::chrono::milliseconds step_deadline{10'000};  ///< for steps: writes that may reset devices and load firmware
    std::chrono::milliseconds read_deadline{3'000};   ///< for everything else: short, but the host may be busy
    std::chrono::milliseconds scan_deadline{5'000};   ///< for what looks at all processes or resets a device
    std::size_t lanes = 64;
    /// Of who may only read; of who may change things, so that 503 need not be feared from the former; of devbindd
    /// itself, for what it has accepted.
    ShareLimits readers = {.at_once = useful_at_once(), .workers = 24, .queued = 1024, .queued_each = 256};
    ShareLimits changers = {.at_once = useful_at_once(), .workers = 24, .queued = 2048, .queued_each = 1024};
    ShareLimits upkeep = {.at_once = 16, .workers = 32, .queued = 4096, .queued_each = 4096};
  };

  WorkerPool(boost::asio::io_context& io, Settings settings);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Starts one worker so that the first task need not wait for it. Error: Kernel, where this process starts it.
  sysfs::Result<> start();

  /// See RunTask: by a worker of the share that its asker belongs to. Errors of the pool itself come as the task's
  /// result: TooBusy, Kernel (a worker that could not be started or that died).
  void run(Task task, TaskCallbacks callbacks);

  /// See OpenLane; its worker is started meanwhile. Error: TooBusy. Kernel is the result of the lane's first task,
  /// where no worker could be started.
  sysfs::Result<RunTask> open_lane();

  /// Asks a worker for a sign of life; `answered` is called when it comes. Neither those who ask nor those who change
  /// anything have a part in the workers for this, and it has none in theirs. Nothing is asked while the one before is
  /// on its way, nor when two have not come back within their deadline.
  void ping(std::function<void()> answered);

  /// Workers that have not answered within their deadline.
  std::size_t stuck() const;
  WorkerUse use() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace devbindd::handoff
