// SPDX-License-Identifier: Apache-2.0
// One accepted change: what was asked, by whom, its steps as they go, and how it ended. Passive; it is what the journal
// keeps and what GET /v1/operations shows.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/binding_change.hpp"
#include "handoff/model/evidence.hpp"
#include "handoff/model/request.hpp"
#include "handoff/model/rule_outcome.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

using TimePoint = std::chrono::system_clock::time_point;

enum class OperationState {
  Running,
  Blocked,  ///< a step has not returned within its deadline: the kernel still works on it, it cannot be cancelled
  Succeeded,
  Failed,       ///< the earlier state is back, unless error says RestoreFailed or RestoreUnknown
  Interrupted,  ///< the daemon ended before the operation did, and a later one could not undo it: error says why
};

enum class StepState { Pending, Running, Blocked, Done, AlreadyDone, Failed, Skipped, Undone, UndoFailed, Unknown };

struct StepRecord {
  PlannedStep planned;
  StepState state = StepState::Pending;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> finished_at;
  int errno_value = 0;
  std::string message;  ///< of the error, when it failed or its undo did
};

/// Why a running step has not returned.
struct Blockage {
  std::size_t step = 0;
  TimePoint since;
  int worker_pid = 0;
  std::string wait_channel;  ///< the kernel function the worker sleeps in, "" when the kernel does not tell
  std::vector<vfio::Holder> holders;
};

/// What went wrong, with all that is known.
struct OperationError {
  sysfs::Error error;
  std::optional<sysfs::Step> step;
  std::string meaning;  ///< of the errno of this step
  std::string next_step;
  std::optional<bool> restored = true;             ///< the state before the operation is back; nullopt: not known
  std::vector<std::string> undo_failures;          ///< one sentence each
  std::vector<sysfs::PciAddress> unrestored = {};  ///< devices that are not as they were before
  std::vector<sysfs::PciAddress> unknown = {};     ///< devices of which nobody knows whether they are
  std::vector<std::string> kernel_log;
  bool kernel_log_readable = true;
};

struct Operation {
  std::string id;       ///< UUID
  std::string boot_id;  ///< of the kernel that it changed
  ChangeRequest request;
  Requester requester;
  OperationState state = OperationState::Running;
  TimePoint created_at;
  std::optional<TimePoint> finished_at;
  std::vector<StepRecord> steps;
  std::vector<Transition> transitions;
  std::vector<Evidence> evidence;   ///< warnings, and risks that were accepted
  std::vector<LookedAt> looked_at;  ///< for the evidence, before it began
  std::optional<Blockage> blocked;
  std::optional<OperationError> error;
};

bool is_finished(const Operation& operation);
/// Why it failed, a sentence.
std::string failure_of(const Operation& operation);
/// Whether its end left devices as they were neither before nor meant to be, or nobody knows.
bool left_incomplete(const Operation& operation);
std::string_view name_of(OperationState state);
std::string_view name_of(StepState state);
std::optional<StepState> step_state_named(std::string_view name);
std::optional<OperationState> operation_state_named(std::string_view name);

}  // namespace devbindd::handoff
