// SPDX-License-Identifier: Apache-2.0
// Looks at nodes' access and changes of it, one after the other: each reads an ACL and writes it back, so that two at
// once would lose one. Not here: whose access to what (claims.hpp), how (vfio/node_access.hpp).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

class AccessQueue {
 public:
  using Tasks = sysfs::Result<std::vector<Task>>;
  using Answers = std::vector<std::vector<std::string>>;  ///< of each task, in order
  using Done = std::function<void(sysfs::Result<Answers>)>;

  explicit AccessQueue(RunTask run_task) : run_task_(std::move(run_task)) {}

  /// Asks `make` for the tasks when their turn has come, so that they go by what holds then. `done` gets the answers,
  /// or the first error; after it the rest is not done. Overdue, when a worker does not come back: the next go on all
  /// the same.
  void add(std::function<Tasks()> make, Done done);

 private:
  struct Job {
    std::function<Tasks()> make;
    Done done;
    std::vector<Task> left = {};
    Answers answers = {};
  };

  void begin();
  void run_next();
  void finish(sysfs::Result<Answers> result);

  RunTask run_task_;
  std::deque<Job> jobs_;  ///< the first is under way
};

}  // namespace devbindd::handoff
