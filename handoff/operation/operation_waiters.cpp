// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/operation_waiters.hpp"

namespace devbindd::handoff {

void OperationWaiters::when_settled(const std::string& id, Ready ready) {
  const auto operation = operations_.find_running(id);
  if (operation == nullptr || operation->state == OperationState::Blocked) return ready();
  for_settled_[id].push_back(std::move(ready));
}

void OperationWaiters::when_ended(const std::string& id, Ready ready) {
  if (operations_.find_running(id) == nullptr) return ready();
  for_end_[id].push_back(std::move(ready));
}

// One whose steps are done has settled only when the journal has its end: it is then no longer among the running.
void OperationWaiters::changed(const std::string& id) {
  const auto operation = operations_.find_running(id);
  if (operation != nullptr && operation->state != OperationState::Blocked) return;
  call(for_settled_, id);
  if (operation == nullptr) call(for_end_, id);
}

void OperationWaiters::call(Waiting& waiting, const std::string& id) {
  const auto called = waiting.extract(id);
  if (called.empty()) return;
  for (const auto& ready : called.mapped()) ready();
}

}  // namespace devbindd::handoff
