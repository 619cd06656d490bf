// SPDX-License-Identifier: Apache-2.0
// How many workers the tasks of one kind may have, and whose task is next: the askers take turns, so that many
// questions of one delay those of another by one each. Not here: the processes (worker_pool.hpp).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

struct Job {
  Task task;
  TaskCallbacks callbacks;
};

struct ShareLimits {
  std::size_t at_once = 8;        ///< workers at work, without those whose task is overdue
  std::size_t workers = 24;       ///< with those
  std::size_t queued = 1024;      ///< tasks that wait
  std::size_t queued_each = 256;  ///< of one asker
};

class WorkerShare {
 public:
  explicit WorkerShare(ShareLimits limits) : limits_(limits) {}

  /// Counts a worker for one more task, if the share has one left.
  bool take();
  /// The task of a worker is overdue: another may have its turn.
  void mark_overdue();
  /// A worker is done with its task, or has died.
  void give_back(bool overdue);

  /// Lets the task wait. False, and the job is left as it is: too many wait already, or none can be expected to be
  /// done.
  bool push(Job& job);
  /// The task whose turn has come, with a worker counted for it. nullopt: none waits, or no worker is left.
  std::optional<Job> next();
  /// Everything that waits, when every worker of the share is stuck: whoever waits for an answer within a deadline must
  /// not wait for workers that may never come back. Else nothing.
  std::vector<Job> hopeless();

  std::size_t queued() const { return queued_; }

 private:
  bool is_stuck() const { return overdue_ >= limits_.workers; }

  ShareLimits limits_;
  std::size_t working_ = 0;  ///< without the overdue ones
  std::size_t overdue_ = 0;
  std::size_t queued_ = 0;
  std::map<std::string, std::deque<Job>> waiting_ = {};  ///< by asker; none is empty
  std::string last_ = {};                                ///< the asker whose turn was last
};

}  // namespace devbindd::handoff
