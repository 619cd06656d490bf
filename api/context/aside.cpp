// SPDX-License-Identifier: Apache-2.0
#include "api/context/aside.hpp"

#include "api/context/context.hpp"

namespace devbindd::api {

void Asides::add(const Request& request, const RunAside& run, std::function<void()> work, std::function<void()> done) {
  state_->line.add(request, {std::move(work), std::move(done)});
  next(state_, run);
}

void Asides::next(const std::shared_ptr<State>& state, const RunAside& run) {
  if (state->busy) return;
  auto piece = state->line.next();
  if (!piece) return;
  state->busy = true;
  run(std::move(piece->work.work), [state, run, done = std::move(piece->work.done)] {
    state->busy = false;
    next(state, run);  // also when what follows throws
    done();
  });
}

void add_aside(Context& context, const Request& request, std::function<void()> work, std::function<void()> done) {
  context.asides.add(request, context.run_aside, std::move(work), std::move(done));
}

}  // namespace devbindd::api
