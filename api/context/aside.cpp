// SPDX-License-Identifier: Apache-2.0
#include "api/context/aside.hpp"

#include "api/context/context.hpp"

namespace devbindd::api {

void Asides::add(const Request& request, const RunAside& run, std::function<void()> work, std::function<void()> done) {
  auto& queue = request.access == Access::Change ? queues_->first : queues_->others;
  queue.push_back({request.client_left, std::move(work), std::move(done)});
  next(queues_, run);
}

void Asides::next(const std::shared_ptr<Queues>& queues, const RunAside& run) {
  if (queues->busy) return;
  while (!queues->first.empty() || !queues->others.empty()) {
    auto& queue = queues->first.empty() ? queues->others : queues->first;
    auto piece = std::move(queue.front());
    queue.pop_front();
    if (piece.client_left && (*piece.client_left)()) continue;
    queues->busy = true;
    return run(std::move(piece.work), [queues, run, done = std::move(piece.done)] {
      queues->busy = false;
      next(queues, run);  // also when what follows throws
      done();
    });
  }
}

void add_aside(Context& context, const Request& request, std::function<void()> work, std::function<void()> done) {
  context.asides.add(request, context.run_aside, std::move(work), std::move(done));
}

}  // namespace devbindd::api
