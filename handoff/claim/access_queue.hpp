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
  template <class Work>
  using Tasks = sysfs::Result<std::vector<Work>>;
  /// Of each task, in order.
  template <class Work>
  using Answers = sysfs::Result<std::vector<typename Work::Answer>>;

  explicit AccessQueue(RunTask run_task) : run_task_(std::move(run_task)) {}

  /// Asks `make` for the tasks when their turn has come, so that they go by what holds then. `done` gets the answers,
  /// or the first error; after it the rest is not done. Overdue, when a worker does not come back: the next go on all
  /// the same. `Work` is FindAccess or ChangeAccess.
  template <class Work>
  void add(std::function<Tasks<Work>()> make, std::function<void(Answers<Work>)> done) {
    const auto job = std::make_shared<Job<Work>>(Job<Work>{std::move(make), std::move(done)});
    jobs_.emplace_back([this, job] { begin(job); });
    if (jobs_.size() == 1) begin_first();
  }

 private:
  template <class Work>
  struct Job {
    std::function<Tasks<Work>()> make;
    std::function<void(Answers<Work>)> done;
    std::vector<Work> tasks = {};
    std::vector<typename Work::Answer> answers = {};
  };

  template <class Work>
  void begin(const std::shared_ptr<Job<Work>>& job) {
    auto tasks = job->make();
    if (!tasks) return finish(job, std::unexpected(tasks.error()));
    job->tasks = std::move(*tasks);
    run_next(job);
  }
  template <class Work>
  void run_next(const std::shared_ptr<Job<Work>>& job) {
    const auto at = job->answers.size();
    if (at == job->tasks.size()) return finish(job, std::move(job->answers));
    ask(run_task_, job->tasks[at], {}, "changing the access to a node takes too long",
        [this, job](const ResultOf<Work>& result) {
          if (!result) return finish(job, std::unexpected(result.error()));
          job->answers.push_back(*result);
          run_next(job);
        });
  }
  template <class Work>
  void finish(const std::shared_ptr<Job<Work>>& job, Answers<Work> result) {
    leave();
    job->done(std::move(result));
  }

  void begin_first();
  void leave();

  RunTask run_task_;
  std::deque<std::function<void()>> jobs_;  ///< the first is under way
};

}  // namespace devbindd::handoff
