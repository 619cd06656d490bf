// SPDX-License-Identifier: Apache-2.0
#include "api/context/turns.hpp"

#include <utility>

#include "api/context/context.hpp"

namespace devbindd::api {

void Turns::add(const Request& request, const Later& later, Step step) {
  auto& queue = request.access == Access::Change ? queues_->first : queues_->others;
  queue.push_back({request.client_left, std::move(step)});
  wait(queues_, later);
}

void Turns::wait(const std::shared_ptr<Queues>& queues, const Later& later) {
  if (queues->waits || (queues->first.empty() && queues->others.empty())) return;
  queues->waits = true;
  later([queues, later] {
    queues->waits = false;
    auto& queue = queues->first.empty() ? queues->others : queues->first;
    auto work = std::move(queue.front());
    queue.pop_front();
    wait(queues, later);  // the next turn comes also when this one throws
    if (!run(work)) return;
    queue.push_back(std::move(work));
    wait(queues, later);
  });
}

bool Turns::run(const Work& work) {
  if (work.client_left && (*work.client_left)()) return false;
  const auto end = std::chrono::steady_clock::now() + turn;
  while (work.step()) {
    if (std::chrono::steady_clock::now() >= end) return true;
  }
  return false;
}

void in_turns(Context& context, const Request& request, Turns::Step step) {
  const auto later = [after = &context.after](std::function<void()> work) {
    (*after)(std::chrono::milliseconds(0), std::move(work));
  };
  context.turns.add(request, later, std::move(step));
}

}  // namespace devbindd::api
