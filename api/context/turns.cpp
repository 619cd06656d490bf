// SPDX-License-Identifier: Apache-2.0
#include "api/context/turns.hpp"

#include <utility>

#include "api/context/context.hpp"

namespace devbindd::api {

void Turns::add(const Request& request, const Later& later, Step step) {
  state_->line.add(request, std::move(step));
  wait(state_, later);
}

void Turns::wait(const std::shared_ptr<State>& state, const Later& later) {
  if (state->waits || state->line.empty()) return;
  state->waits = true;
  later([state, later] {
    state->waits = false;
    auto next = state->line.next();
    if (!next) return;
    wait(state, later);  // the next turn comes also when this one throws
    if (!run(*state, next->work)) return;
    state->line.put_back(std::move(*next));
    wait(state, later);
  });
}

bool Turns::run(const State& state, const Step& step) {
  const auto end = state.now() + turn;
  while (step()) {
    if (state.now() >= end) return true;
  }
  return false;
}

Version version_of(const Context& context) {
  const auto& engine = context.engine;
  const auto& inventory = engine.services().inventory;
  return {inventory.generation(),          inventory.driver_generation(),    engine.view().network_generation(),
          engine.view().node_generation(), engine.operations().generation(), engine.cordons().generation(),
          context.claims.generation()};
}

void in_turns(Context& context, const Request& request, Turns::Step step) {
  const auto later = [after = &context.after](std::function<void()> work) {
    (*after)(std::chrono::milliseconds(0), std::move(work));
  };
  context.turns.add(request, later, std::move(step));
}

}  // namespace devbindd::api
