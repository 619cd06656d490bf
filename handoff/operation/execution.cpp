// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/execution.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "handoff/operation/read_back.hpp"
#include "sysfs/kernel/wait_channel.hpp"

namespace devbindd::handoff {
namespace {

TimePoint now() { return std::chrono::system_clock::now(); }

std::vector<sysfs::PciAddress> addresses_of(const Operation& operation) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& transition : operation.transitions) addresses.push_back(transition.address);
  return addresses;
}

}  // namespace

Execution::Execution(std::shared_ptr<Operation> operation, const sysfs::Tree& tree, RunTask lane, RunTask run_task,
                     Hooks hooks)
    : operation_(std::move(operation)),
      tree_(tree),
      lane_(std::move(lane)),
      run_task_(std::move(run_task)),
      hooks_(std::move(hooks)),
      log_(sysfs::KernelLogMark::now()) {}

void Execution::start() { run_step(0); }

// An ID that the driver had before is not ours to remove.
bool Execution::must_skip(std::size_t index) const {
  const auto& step = operation_->steps[index].planned.step;
  if (step.kind != sysfs::StepKind::RemoveId) return false;
  return std::ranges::any_of(operation_->steps, [&step](const StepRecord& record) {
    return record.planned.step.kind == sysfs::StepKind::AddId && record.planned.step.argument == step.argument &&
           record.state == StepState::AlreadyDone;
  });
}

void Execution::run_step(std::size_t index) {
  if (index == operation_->steps.size()) return read_back();
  auto& record = operation_->steps[index];
  if (must_skip(index)) {
    record.state = StepState::Skipped;
    return run_step(index + 1);
  }
  record.state = StepState::Running;
  record.started_at = now();
  if (hooks_.on_step) hooks_.on_step();
  lane_({PerformStep{record.planned.step}},
        {.on_overdue = [self = shared_from_this(), index](int pid) { self->on_overdue(index, pid); },
         .on_result = on_result_of<PerformStep>(
             [self = shared_from_this(), index](const StepResult& result) { self->on_step_result(index, result); })});
}

void Execution::on_step_result(std::size_t index, const StepResult& result) {
  unblock();
  auto& record = operation_->steps[index];
  record.finished_at = now();
  if (!result && result.error().errno_value == ENODEV && record.planned.absent_is_done) {
    record.state = StepState::AlreadyDone;
    return run_step(index + 1);
  }
  if (result) {
    record.state = *result == sysfs::StepOutcome::AlreadyDone ? StepState::AlreadyDone : StepState::Done;
    if (auto error = misplaced_function(tree_, *operation_, record.planned.step))
      return fail(std::move(*error), record.planned.step);
    return run_step(index + 1);
  }
  record.state = StepState::Failed;
  record.errno_value = result.error().errno_value;
  record.message = result.error().message;
  if (!record.planned.may_fail) return fail(result.error(), record.planned.step);
  tell_refused_settings(record);
  run_step(index + 1);
}

// Lost, but not at the price of the device.
void Execution::tell_refused_settings(const StepRecord& record) {
  const auto& step = record.planned.step;
  operation_->evidence.push_back({.code = "sriov.settings_lost",
                                  .severity = Severity::Warn,
                                  .device = step.address,
                                  .detail = record.message + ". " +
                                            sysfs::meaning_of(step, record.errno_value).meaning +
                                            " It was to be told: " + step.argument + ".",
                                  .next_step = "Set them by hand (ip link set dev ... vf ...)."});
}

void Execution::read_back() {
  if (auto error = unexpected_state(tree_, *operation_)) return fail(std::move(*error), std::nullopt);
  end(OperationState::Succeeded);
}

void Execution::fail(sysfs::Error error, std::optional<sysfs::Step> step) {
  OperationError failure;
  if (step) {
    const auto meaning = sysfs::meaning_of(*step, error.errno_value);
    failure.meaning = meaning.meaning;
    failure.next_step = meaning.next_step;
    if (error.code == sysfs::ErrorCode::Kernel) error.code = sysfs::ErrorCode::BindFailed;
  }
  if (const auto gone = vanished_device(tree_, *operation_); !gone.empty()) {
    error.code = sysfs::ErrorCode::DeviceGone;
    error.message = gone + " vanished while it was worked on: " + error.message;
    failure.next_step = "Look at what is at the address now; what is known of the device that was there is dropped.";
  }
  failure.kernel_log_readable = log_.readable();
  failure.kernel_log = log_.lines_about(addresses_of(*operation_));
  failure.error = std::move(error);
  failure.step = std::move(step);
  operation_->error = std::move(failure);
  for (std::size_t index = operation_->steps.size(); index-- > 0;) {
    const auto& record = operation_->steps[index];
    if (!took_effect(tree_, *operation_, record)) continue;
    for (const auto& undo : record.planned.undo) undo_.push_back({index, undo});
  }
  run_undo(0);
}

void Execution::run_undo(std::size_t at) {
  // What is gone is not brought back by its own steps: a VF comes back with its PF's.
  while (at < undo_.size() && undo_[at].step.address && !is_there(tree_, *undo_[at].step.address)) ++at;
  if (at == undo_.size()) return check_restored();
  const auto record = undo_[at].record;
  lane_({PerformStep{undo_[at].step}},
        {.on_overdue = [self = shared_from_this(), record](int pid) { self->on_overdue(record, pid); },
         .on_result = on_result_of<PerformStep>(
             [self = shared_from_this(), at](const StepResult& result) { self->on_undo_result(at, result); })});
}

void Execution::on_undo_result(std::size_t at, const StepResult& result) {
  unblock();
  auto& record = operation_->steps[undo_[at].record];
  const bool gone_already =
      !result && result.error().errno_value == ENODEV && undo_[at].step.kind == sysfs::StepKind::RemoveId;
  if (!result && !gone_already) {
    const auto meaning = sysfs::meaning_of(undo_[at].step, result.error().errno_value);
    operation_->error->undo_failures.push_back(result.error().message + ". " + meaning.meaning);
    record.state = StepState::UndoFailed;
    record.message = result.error().message;
    if (undo_[at].step.kind == sysfs::StepKind::SetVfSettings) settings_lost_.insert(*undo_[at].step.address);
  } else if (record.state != StepState::UndoFailed) {
    record.state = StepState::Undone;
  }
  run_undo(at + 1);  // one failed undo must not keep the others from being tried
}

void Execution::check_restored() {
  // A read that hangs must not keep the operation open: then nobody can say that the earlier state is back.
  ask(lane_, ReadOverrides{addresses_of(*operation_)}, {}, "the read hangs in the kernel",
      [self = shared_from_this()](const ResultOf<ReadOverrides>& result) { self->on_looked(result); });
}

// A worker that dies says nothing about the kernel: it is looked at once more.
void Execution::on_looked(const ResultOf<ReadOverrides>& result) {
  const bool died = !result && result.error().errno_value == ECHILD;
  if (died && !std::exchange(looked_twice_, true)) return check_restored();
  on_overrides_read(result);
}

void Execution::on_overrides_read(const ResultOf<ReadOverrides>& result) {
  note_unrestored(tree_, result, settings_lost_, *operation_);
  auto& log = operation_->error->kernel_log;
  const auto more = log_.lines_about(addresses_of(*operation_));
  log.insert(log.end(), more.begin(), more.end());
  end(OperationState::Failed);
}

void Execution::end(OperationState state) {
  operation_->state = state;
  operation_->finished_at = now();
  lane_ = {};
  hooks_.on_end();
}

void Execution::on_overdue(std::size_t index, int worker_pid) {
  auto& record = operation_->steps[index];
  if (record.state == StepState::Running) record.state = StepState::Blocked;
  operation_->state = OperationState::Blocked;
  Blockage blockage{.step = index,
                    .since = record.started_at.value_or(now()),
                    .worker_pid = worker_pid,
                    .wait_channel = {},
                    .holders = {}};
  note_wait_channel(blockage);
  operation_->blocked = std::move(blockage);
  const auto in_the_way = held_up_by(record.planned.step);
  if (in_the_way.empty()) return hooks_.on_change();
  look_for_holders(in_the_way);
}

// "": it was at work at that moment, as one that looks again every few seconds is for an instant.
void Execution::note_wait_channel(Blockage& blockage) const {
  blockage.wait_channel = sysfs::wait_channel(tree_, blockage.worker_pid);
}

// The devices that somebody may have open while the step waits: of a changed number of VFs these.
std::vector<sysfs::PciAddress> Execution::held_up_by(const sysfs::Step& step) const {
  if (step.kind != sysfs::StepKind::SetNumVfs)
    return step.address ? std::vector{*step.address} : std::vector<sysfs::PciAddress>{};
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& transition : operation_->transitions) {
    if (transition.remade && is_there(tree_, transition.address)) addresses.push_back(transition.address);
  }
  return addresses;
}

// Who keeps the kernel waiting is looked up before the state is told, so that whoever asked learns both at once.
void Execution::look_for_holders(const std::vector<sysfs::PciAddress>& addresses) {
  if (addresses.empty()) return hooks_.on_change();
  std::vector<vfio::HolderQuery> queries;
  for (const auto& address : addresses) {
    auto& query = queries.emplace_back(
        vfio::HolderQuery{.address = address, .group = std::nullopt, .vfio_device = std::nullopt, .device_open = true});
    if (const auto device = sysfs::read_device(tree_, address)) {
      query.group = device->iommu_group;
      query.vfio_device = device->vfio_device;
    }
  }
  const auto tell = [self = shared_from_this()](const ResultOf<FindHolders>& result) {
    auto& blocked = self->operation_->blocked;
    for (const auto& holders : result.value_or(FindHolders::Answer())) {
      if (blocked) std::ranges::copy(holders, std::back_inserter(blocked->holders));
    }
    if (blocked && blocked->wait_channel.empty()) self->note_wait_channel(*blocked);
    self->hooks_.on_change();
  };
  ask(run_task_, FindHolders{std::move(queries)}, {}, "looking through all processes took too long", tell);
}

void Execution::unblock() {
  if (operation_->state != OperationState::Blocked) return;
  operation_->state = OperationState::Running;
  operation_->blocked.reset();
  hooks_.on_change();
}

}  // namespace devbindd::handoff
