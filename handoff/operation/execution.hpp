// SPDX-License-Identifier: Apache-2.0
// The course of one operation: its steps one after the other through workers, read back, and on any failure the undo in
// reverse. Works on the Operation, shared with the engine, on the daemon's one thread.
// Not here: whether the operation may run (engine.hpp), what the steps are (plan.hpp), what the kernel shows after them
// (read_back.hpp).
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "handoff/model/operation.hpp"
#include "handoff/worker/task.hpp"
#include "sysfs/kernel/kernel_log.hpp"

namespace devbindd::handoff {

class Execution : public std::enable_shared_from_this<Execution> {
 public:
  struct Hooks {
    std::function<void()> on_change;     ///< the operation's state is another one: running, blocked
    std::function<void()> on_end;        ///< state is Succeeded or Failed; called once
    std::function<void()> on_step = {};  ///< a step begins
  };

  /// `lane`: the operation's own worker, for its steps, their undo and the look at what came of them. `run_task`: for
  /// what is to be found out while that one is stuck.
  Execution(std::shared_ptr<Operation> operation, const sysfs::Tree& tree, RunTask lane, RunTask run_task, Hooks hooks);

  void start();

 private:
  struct UndoItem {
    std::size_t record;
    sysfs::Step step;
  };

  using StepResult = ResultOf<PerformStep>;

  void run_step(std::size_t index);
  void on_step_result(std::size_t index, const StepResult& result);
  bool must_skip(std::size_t index) const;
  void tell_refused_settings(const StepRecord& record);
  void read_back();
  void fail(sysfs::Error error, std::optional<sysfs::Step> step);
  void run_undo(std::size_t at);
  void on_undo_result(std::size_t at, const StepResult& result);
  void check_restored();
  void on_looked(const ResultOf<ReadOverrides>& result);
  void on_overrides_read(const ResultOf<ReadOverrides>& result);
  void end(OperationState state);

  void on_overdue(std::size_t index, int worker_pid);
  void note_wait_channel(Blockage& blockage) const;
  std::vector<sysfs::PciAddress> held_up_by(const sysfs::Step& step) const;
  void look_for_holders(const std::vector<sysfs::PciAddress>& addresses);
  void unblock();

  /// Shared: an answer may still come for a worker that looks for holders when the engine has dropped the operation.
  std::shared_ptr<Operation> operation_;
  const sysfs::Tree& tree_;
  RunTask lane_;
  RunTask run_task_;
  Hooks hooks_;
  sysfs::KernelLogMark log_;
  std::vector<UndoItem> undo_;
  bool looked_twice_ = false;
  std::set<sysfs::PciAddress> settings_lost_;  ///< VFs whose settings could not be undone
};

}  // namespace devbindd::handoff
