// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/operation.hpp"

#include <array>

namespace devbindd::handoff {

bool is_finished(const Operation& operation) {
  return operation.state != OperationState::Running && operation.state != OperationState::Blocked;
}

std::string failure_of(const Operation& operation) {
  return operation.error ? operation.error->error.message : "no reason is known";
}

bool left_incomplete(const Operation& operation) {
  return operation.error && (!operation.error->unrestored.empty() || !operation.error->restored);
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

std::optional<StepState> step_state_named(std::string_view name) {
  for (int number = 0; number <= static_cast<int>(StepState::Unknown); ++number) {
    if (name_of(static_cast<StepState>(number)) == name) return static_cast<StepState>(number);
  }
  return std::nullopt;
}

std::optional<OperationState> operation_state_named(std::string_view name) {
  for (const auto state : {OperationState::Running, OperationState::Blocked, OperationState::Succeeded,
                           OperationState::Failed, OperationState::Interrupted}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
