// SPDX-License-Identifier: Apache-2.0
// What is known of operations: those that run, and the newest of those that have ended, of earlier daemons too.
#include <algorithm>

#include "handoff/operation/engine_parts.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

// An end is told when it is on disk and the devices are free again: until then the operation runs.
OperationState shown_state(const Operation& operation) {
  return is_finished(operation) ? OperationState::Running : operation.state;
}

std::shared_ptr<const Operation> shown(const std::shared_ptr<Operation>& operation) {
  if (!is_finished(*operation)) return operation;
  auto copy = std::make_shared<Operation>(*operation);
  copy->state = OperationState::Running;
  copy->finished_at.reset();
  copy->error.reset();
  return copy;
}

}  // namespace

std::string Engine::operation_of_claim(const std::string& claim) const {
  const auto binds = [&claim](const Operation& operation) {
    return operation.request.claim == claim &&
           std::ranges::any_of(operation.request.items, [](const auto& item) { return item.kind == ChangeKind::Bind; });
  };
  for (const auto& [id, running] : running_) {
    if (binds(*running->operation)) return id;
  }
  for (const auto& past : past_) {
    if (binds(*past)) return past->id;
  }
  return {};
}

sysfs::Result<std::shared_ptr<const Operation>> Engine::find_operation(const std::string& id) const {
  if (const auto found = running_.find(id); found != running_.end()) return shown(found->second->operation);
  for (const auto& past : past_) {
    if (past->id == id) return past;
  }
  return sysfs::fail(ErrorCode::OperationNotFound, "there is no operation " + id.substr(0, 64) + " (the last " +
                                                       std::to_string(max_operations) + " are kept)");
}

std::vector<std::string> Engine::operation_ids(std::optional<OperationState> state) const {
  std::vector<const Operation*> running;
  for (const auto& [id, one] : running_) {
    if (!state || *state == shown_state(*one->operation)) running.push_back(one->operation.get());
  }
  std::ranges::sort(running, std::ranges::greater{}, &Operation::created_at);
  std::vector<std::string> ids;
  for (const auto* operation : running) ids.push_back(operation->id);
  for (const auto& past : past_) {
    if (!state || *state == past->state) ids.push_back(past->id);
  }
  return ids;
}

std::string Engine::operation_on(const sysfs::PciAddress& address) const {
  for (const auto& [id, running] : running_) {
    for (const auto& transition : running->operation->transitions) {
      if (transition.address == address) return id;
    }
  }
  return {};
}

std::optional<Operation> Engine::last_change_of_functions(const sysfs::PciAddress& physical,
                                                          const std::function<bool(const Operation&)>& counts) const {
  for (const auto& past : past_) {
    const bool meant = past->state == OperationState::Succeeded && past->boot_id == services_.boot_id &&
                       past->request.kind == ChangeKind::SetVfs && past->request.address == physical;
    if (meant && (!counts || counts(*past))) return *past;
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
