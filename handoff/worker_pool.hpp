// The worker processes, seen from the daemon: started ahead of need with nothing of the daemon's but one socket each,
// given one task each, watched by a deadline, never killed (a signal helps nothing in the kernel), left to themselves
// when they are stuck.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "handoff/task.hpp"

namespace devbindd::handoff {

class WorkerPool {
 public:
  struct Settings {
    std::vector<std::string> command;  ///< program and arguments; the socket is descriptor 3 of the new process
    std::chrono::milliseconds step_deadline{10'000};  ///< for steps: writes that may reset devices and load firmware
    std::chrono::milliseconds read_deadline{3'000};   ///< for everything else: short, but the host may be busy
    std::chrono::milliseconds scan_deadline{5'000};   ///< for what looks at all processes or resets a device
    std::size_t max_workers = 64;                     ///< stuck ones included
    std::size_t max_queue = 1024;
  };

  WorkerPool(boost::asio::io_context& io, Settings settings);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Starts one worker so that the first task need not wait for it. Error: Kernel.
  sysfs::Result<> start();

  /// See RunTask. Errors of the pool itself come as the task's result: TooBusy, Kernel (a worker that could not be
  /// started or that died).
  void run(Task task, TaskCallbacks callbacks);

  /// Workers that have not answered within their deadline.
  std::size_t stuck() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace devbindd::handoff
