// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/access_queue.hpp"

#include <algorithm>

namespace devbindd::handoff {

void AccessQueue::add(std::function<Tasks()> make, Done done) {
  jobs_.push_back({std::move(make), std::move(done)});
  if (jobs_.size() == 1) begin();
}

void AccessQueue::begin() {
  auto tasks = jobs_.front().make();
  if (!tasks) return finish(std::unexpected(tasks.error()));
  jobs_.front().left = std::move(*tasks);
  std::ranges::reverse(jobs_.front().left);  // taken from the end
  run_next();
}

void AccessQueue::run_next() {
  auto& job = jobs_.front();
  if (job.left.empty()) return finish(std::move(job.answers));
  auto task = std::move(job.left.back());
  job.left.pop_back();
  run_task_(std::move(task),
            within_deadline("changing the access to a node takes too long", [this](const TaskResult& result) {
              if (!result) return finish(std::unexpected(result.error()));
              jobs_.front().answers.push_back(*result);
              run_next();
            }));
}

void AccessQueue::finish(sysfs::Result<Answers> result) {
  const auto done = std::move(jobs_.front().done);
  jobs_.pop_front();
  // What `done` adds stands behind what waits already.
  if (!jobs_.empty()) begin();
  done(std::move(result));
}

}  // namespace devbindd::handoff
