// SPDX-License-Identifier: Apache-2.0
// What an earlier daemon left unfinished (kill -9, power loss, upgrade): brought to an end before anything else touches
// those devices. The journal had the whole operation, with the state before it, before its first write; what the kernel
// shows now decides.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "handoff/operation/fact_gathering.hpp"
#include "handoff/operation/operation_runs.hpp"

namespace devbindd::handoff {

class Recovery {
 public:
  Recovery(const EngineServices& services, const OperationTable& operations, FactGatherer& gatherer,
           OperationRuns& runs, OperationWaiters& waiters)
      : services_(services), operations_(operations), gatherer_(gatherer), runs_(runs), waiters_(waiters) {}

  /// Brings every operation that runs now to an end, which are those of an earlier daemon: each as it was asked for
  /// where the kernel shows that, else as it was before. Until then they keep their devices from others.
  void start();

 private:
  void recover(const std::string& id);
  void recover_later(const std::string& id);
  bool wait_for_leftovers(Operation& operation);
  void block(Operation& operation, const LeftoverWorker& worker) const;
  void decide(const std::shared_ptr<Operation>& operation, const Findings& findings);
  void repair(const std::shared_ptr<Operation>& operation, Plan plan);
  void end_repair(Operation& operation, const Operation& undoing);
  void end(Operation& operation, OperationState state, std::optional<sysfs::Error> error);
  void note_error(Operation& operation, sysfs::Error error) const;

  const EngineServices& services_;
  const OperationTable& operations_;
  FactGatherer& gatherer_;
  OperationRuns& runs_;
  OperationWaiters& waiters_;
};

}  // namespace devbindd::handoff
