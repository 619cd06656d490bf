// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/operation.hpp"

#include <array>

namespace devbindd::handoff {

bool is_finished(const Operation& operation) {
  return operation.state != OperationState::Running && operation.state != OperationState::Blocked;
}

std::string_view name_of(OperationState state) {
  switch (state) {
    case OperationState::Running: return "running";
    case OperationState::Blocked: return "blocked";
    case OperationState::Succeeded: return "succeeded";
    case OperationState::Failed: return "failed";
    case OperationState::Interrupted: return "interrupted";
  }
  return "unknown";
}

std::string_view name_of(StepState state) {
  switch (state) {
    case StepState::Pending: return "pending";
    case StepState::Running: return "running";
    case StepState::Blocked: return "blocked";
    case StepState::Done: return "done";
    case StepState::AlreadyDone: return "already_done";
    case StepState::Failed: return "failed";
    case StepState::Skipped: return "skipped";
    case StepState::Undone: return "undone";
    case StepState::UndoFailed: return "undo_failed";
    case StepState::Unknown: return "unknown";
  }
  return "unknown";
}

std::optional<OperationState> operation_state_named(std::string_view name) {
  for (const auto state : {OperationState::Running, OperationState::Blocked, OperationState::Succeeded,
                           OperationState::Failed, OperationState::Interrupted}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
