// SPDX-License-Identifier: Apache-2.0
// The life of an accepted operation: written down before its first step, run in a worker of its own with its devices
// locked, its end written down before anybody is told. Not here: whether it may run (decision.hpp), its steps one by
// one (execution.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "handoff/operation/decision.hpp"
#include "handoff/operation/device_locks.hpp"
#include "handoff/operation/device_view.hpp"
#include "handoff/operation/execution.hpp"
#include "handoff/operation/operation_waiters.hpp"

namespace devbindd::handoff {

class OperationRuns {
 public:
  /// What an operation is made of.
  struct Order {
    ChangeRequest request;
    Requester requester;
    std::vector<Part> parts;
    LockKeys keys;
    Plan plan;
  };

  OperationRuns(const EngineServices& services, OperationTable& operations, OriginalBindings& originals,
                Cordons& cordons, DeviceLocks& locks, DeviceView& view, OperationWaiters& waiters);

  /// The refusal while as many operations run as may; nullopt: there is room for one more.
  std::optional<Refusal> refuse_if_full() const;

  /// Begins the operation, and answers when it is on disk: Accepted, or a Refusal with TooBusy (no room, no worker) or
  /// JournalFailed.
  void begin(Order order, std::function<void(Decision)> answer);

  /// Keeps others away from what an operation of an earlier daemon works on, until end().
  void hold(const Operation& operation, const LockKeys& keys);
  /// Runs the steps of `operation` in `lane`: of the running operation `id` itself, or those that undo it.
  void execute(const std::string& id, std::shared_ptr<Operation> operation, RunTask lane, Execution::Hooks hooks);
  /// Takes in the end of an operation, which its state shows: it is written down, its devices are set free, and whoever
  /// waits is called.
  void end(const std::string& id);

  /// A worker for one operation. Error: TooBusy.
  sysfs::Result<RunTask> open_lane() const;

 private:
  /// What a running operation has besides its record.
  struct Run {
    DeviceLocks::Lock lock = {};
    std::shared_ptr<void> permit = {};
    RunTask lane = {};  ///< its worker, until the execution has it
    std::shared_ptr<Execution> execution = {};
  };

  void start(const std::string& id);
  void tell(const std::string& id) const;
  void forget_cordons_of_gone(const Operation& operation);
  void mark_changed(const Operation& operation);

  const EngineServices& services_;
  OperationTable& operations_;
  OriginalBindings& originals_;
  Cordons& cordons_;
  DeviceLocks& locks_;
  DeviceView& view_;
  OperationWaiters& waiters_;
  std::map<std::string, Run> runs_;  ///< by the operation's id
};

}  // namespace devbindd::handoff
