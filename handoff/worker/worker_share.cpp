// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_share.hpp"

namespace devbindd::handoff {

bool WorkerShare::take() {
  if (working_ >= limits_.at_once || working_ + overdue_ >= limits_.workers) return false;
  ++working_;
  return true;
}

void WorkerShare::mark_overdue() {
  --working_;
  ++overdue_;
}

void WorkerShare::give_back(bool overdue) { --(overdue ? overdue_ : working_); }

bool WorkerShare::push(Job& job) {
  if (is_stuck() || queued_ >= limits_.queued) return false;
  const auto own = waiting_.find(job.task.asker.name);
  if (own != waiting_.end() && own->second.size() >= limits_.queued_each) return false;
  waiting_[job.task.asker.name].push_back(std::move(job));
  ++queued_;
  return true;
}

std::optional<Job> WorkerShare::next() {
  if (queued_ == 0 || !take()) return std::nullopt;
  auto turn = waiting_.upper_bound(last_);
  if (turn == waiting_.end()) turn = waiting_.begin();
  last_ = turn->first;
  auto job = std::move(turn->second.front());
  turn->second.pop_front();
  if (turn->second.empty()) waiting_.erase(turn);
  --queued_;
  return job;
}

std::vector<Job> WorkerShare::hopeless() {
  std::vector<Job> jobs;
  if (!is_stuck()) return jobs;
  for (auto& [asker, queue] : std::exchange(waiting_, {})) {
    for (auto& job : queue) jobs.push_back(std::move(job));
  }
  queued_ = 0;
  return jobs;
}

}  // namespace devbindd::handoff
