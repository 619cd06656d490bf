// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/execution.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>

#include "sysfs/device/sriov.hpp"
#include "sysfs/kernel/paths.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

TimePoint now() { return std::chrono::system_clock::now(); }

std::optional<std::string> driver_text(const sysfs::Device& device) {
  return device.driver ? std::optional(device.driver->text()) : std::nullopt;
}

std::string or_none(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "no driver"; }

std::vector<sysfs::PciAddress> addresses_of(const Operation& operation) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& transition : operation.transitions) addresses.push_back(transition.address);
  return addresses;
}

// new_id binds devices before their own step has its turn.
bool adds_id(const Operation& operation) {
  return std::ranges::any_of(
      operation.steps, [](const StepRecord& record) { return record.planned.step.kind == sysfs::StepKind::AddId; });
}

// The number of VFs that the undo of a change of it goes back to.
std::size_t number_before(const PlannedStep& planned) {
  const auto back = std::ranges::find(planned.undo, sysfs::StepKind::SetNumVfs, &sysfs::Step::kind);
  return back == planned.undo.end() ? 0 : std::strtoul(back->argument.c_str(), nullptr, 10);
}

std::optional<FunctionsState> functions_now(const sysfs::Tree& tree, const sysfs::Device& device) {
  const auto sriov = sysfs::read_sriov(tree, device);
  if (!sriov) return std::nullopt;
  return FunctionsState{static_cast<unsigned>(device.virtfns.size()), sriov->autoprobe};
}

std::string described(const FunctionsState& functions) {
  return std::to_string(functions.count) + " virtual functions and sriov_drivers_autoprobe " +
         (functions.autoprobe ? "on" : "off");
}

std::string described(const std::optional<FunctionsState>& functions) {
  return functions ? described(*functions) : std::string("no SR-IOV");
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
  lane_(task_for(record.planned.step),
        {.on_overdue = [self = shared_from_this(), index](int pid) { self->on_overdue(index, pid); },
         .on_result = [self = shared_from_this(),
                       index](const TaskResult& result) { self->on_step_result(index, result); }});
}

void Execution::on_step_result(std::size_t index, const TaskResult& result) {
  unblock();
  auto& record = operation_->steps[index];
  record.finished_at = now();
  if (!result && result.error().errno_value == ENODEV && record.planned.absent_is_done) {
    record.state = StepState::AlreadyDone;
    return run_step(index + 1);
  }
  if (result) {
    const bool already = !result->empty() && result->front() == "already_done";
    record.state = already ? StepState::AlreadyDone : StepState::Done;
    if (auto error = misplaced_function(record.planned.step)) return fail(std::move(*error), record.planned.step);
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

// Offset and stride may change with the number of VFs: before anything is written to one, they must be where they were
// foreseen. Source: Single Root I/O Virtualization 1.1, 3.3.9 and 3.3.10.
std::optional<sysfs::Error> Execution::misplaced_function(const sysfs::Step& step) const {
  if (step.kind != sysfs::StepKind::SetNumVfs || step.argument == "0") return std::nullopt;
  const auto device = sysfs::read_device(tree_, *step.address);
  if (!device) return device.error();
  for (const auto& transition : operation_->transitions) {
    if (!transition.remade || !transition.there_after || transition.kernel_chooses) continue;
    if (std::ranges::find(device->virtfns, transition.address) != device->virtfns.end()) continue;
    return sysfs::Error{sysfs::ErrorCode::BindFailed,
                        "the kernel has put the virtual functions elsewhere than SR-IOV's offset and stride had said: "
                        "none is at " +
                            sysfs::to_string(transition.address)};
  }
  return std::nullopt;
}

// Whether the step has something to be undone. An error proves as little as a success: a worker may die after its write
// (ECHILD). Where the kernel can be asked, it is.
bool Execution::took_effect(const StepRecord& record) const {
  const auto& step = record.planned.step;
  if (record.state == StepState::Done) return true;
  if (record.state == StepState::AlreadyDone)
    return step.kind != sysfs::StepKind::AddId;  // an ID of before is not ours
  if (record.state == StepState::Pending && !adds_id(*operation_)) return false;
  if (step.kind == sysfs::StepKind::Bind) {
    const auto driver = sysfs::link_name(tree_, sysfs::paths::attribute(*step.address, "driver"));
    return driver && *driver == step.argument;
  }
  if (record.state != StepState::Failed) return false;
  // A part of them may have been set.
  if (step.kind == sysfs::StepKind::SetVfSettings) return true;
  if (step.kind == sysfs::StepKind::SetNumVfs) {
    const auto device = sysfs::read_device(tree_, *step.address);
    return device && device->virtfns.size() != number_before(record.planned);
  }
  if (step.kind == sysfs::StepKind::Unbind) {
    const auto device = sysfs::read_device(tree_, *step.address);
    return device && !device->driver;
  }
  return record.errno_value == ECHILD;
}

// Kernel state is the truth: a write that returned proves nothing.
std::optional<sysfs::Error> Execution::unexpected_state() const {
  for (const auto& transition : operation_->transitions) {
    const auto name = sysfs::to_string(transition.address);
    if (!transition.there_after) {
      if (!is_there(transition.address)) continue;
      return sysfs::Error{sysfs::ErrorCode::BindFailed, "every write succeeded, but " + name + " is still there"};
    }
    if (transition.kernel_chooses) continue;  // where it comes to sit is the kernel's choice too
    auto device = sysfs::read_device(tree_, transition.address);
    if (!device) return device.error();
    if (const auto functions = functions_now(tree_, *device);
        transition.functions_after && functions != transition.functions_after) {
      return sysfs::Error{sysfs::ErrorCode::BindFailed, "every write succeeded, but the kernel shows " +
                                                            described(functions) + " for " + name + " instead of " +
                                                            described(transition.functions_after)};
    }
    if (driver_text(*device) != transition.driver_after) {
      return sysfs::Error{sysfs::ErrorCode::BindFailed, "every write succeeded, but the kernel shows " +
                                                            or_none(driver_text(*device)) + " for " + name +
                                                            " instead of " + or_none(transition.driver_after)};
    }
    if (!sysfs::is_vfio_bound(*device) || transition.driver_before == transition.driver_after) continue;
    auto nodes = vfio::nodes_of(tree_, *device);
    if (!nodes) return nodes.error();
    if (!nodes->group && !nodes->cdev) {
      return sysfs::Error{sysfs::ErrorCode::BindFailed, name + " is bound to " + or_none(transition.driver_after) +
                                                            ", but no node below /dev/vfio appeared"};
    }
  }
  return std::nullopt;
}

void Execution::read_back() {
  if (auto error = unexpected_state()) return fail(std::move(*error), std::nullopt);
  end(OperationState::Succeeded);
}

bool Execution::is_there(const sysfs::PciAddress& address) const {
  return sysfs::exists(tree_, sysfs::paths::device(address));
}

std::string Execution::vanished() const {
  for (const auto& transition : operation_->transitions) {
    if (!transition.remade && !is_there(transition.address)) return sysfs::to_string(transition.address);
  }
  return {};
}

void Execution::fail(sysfs::Error error, std::optional<sysfs::Step> step) {
  OperationError failure;
  if (step) {
    const auto meaning = sysfs::meaning_of(*step, error.errno_value);
    failure.meaning = meaning.meaning;
    failure.next_step = meaning.next_step;
    if (error.code == sysfs::ErrorCode::Kernel) error.code = sysfs::ErrorCode::BindFailed;
  }
  if (const auto gone = vanished(); !gone.empty()) {
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
    if (!took_effect(record)) continue;
    for (const auto& undo : record.planned.undo) undo_.push_back({index, undo});
  }
  run_undo(0);
}

void Execution::run_undo(std::size_t at) {
  // What is gone is not brought back by its own steps: a VF comes back with its PF's.
  while (at < undo_.size() && undo_[at].step.address && !is_there(*undo_[at].step.address)) ++at;
  if (at == undo_.size()) return check_restored();
  const auto record = undo_[at].record;
  lane_(task_for(undo_[at].step),
        {.on_overdue = [self = shared_from_this(), record](int pid) { self->on_overdue(record, pid); },
         .on_result = [self = shared_from_this(), at](const TaskResult& result) { self->on_undo_result(at, result); }});
}

void Execution::on_undo_result(std::size_t at, const TaskResult& result) {
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
  Task task{TaskKind::ReadOverrides, {}};
  for (const auto& transition : operation_->transitions) task.arguments.push_back(sysfs::to_string(transition.address));
  // A read that hangs must not keep the operation open: then nobody can say that the earlier state is back.
  lane_(std::move(task),
        within_deadline("the read hangs in the kernel",
                        [self = shared_from_this()](const TaskResult& result) { self->on_looked(result); }));
}

// A worker that dies says nothing about the kernel: it is looked at once more.
void Execution::on_looked(const TaskResult& result) {
  const bool died = !result && result.error().errno_value == ECHILD;
  if (died && !std::exchange(looked_twice_, true)) return check_restored();
  on_overrides_read(result);
}

// What is not as before, and what could not be looked at, are told apart: the one is a failure of the undo, the other
// only of the look.
void Execution::on_overrides_read(const TaskResult& result) {
  auto& error = *operation_->error;
  const auto note = [&error](std::vector<sysfs::PciAddress>& list, const sysfs::PciAddress& address, std::string what) {
    error.undo_failures.push_back(std::move(what));
    if (list.empty() || list.back() != address) list.push_back(address);
  };
  const auto differs = [&](const sysfs::PciAddress& address, std::string what) {
    note(error.unrestored, address, std::move(what));
  };
  for (std::size_t at = 0; at < operation_->transitions.size(); ++at) {
    const auto& transition = operation_->transitions[at];
    const auto name = sysfs::to_string(transition.address);
    const auto device = sysfs::read_device(tree_, transition.address);
    if (!transition.there_before) {
      if (device) differs(transition.address, name + " is there now, and was not before");
      continue;
    }
    // VFs go with their PF; one that is missing under a PF that is there was not brought back.
    const bool gone = !device && device.error().code == sysfs::ErrorCode::DeviceNotFound;
    if (gone && (!transition.remade || !vanished().empty())) {
      error.restored = false;
      error.error.code = sysfs::ErrorCode::DeviceGone;
      continue;
    }
    if (!device && gone) {
      differs(transition.address, device.error().message);
      continue;
    }
    if (!device) {
      note(error.unknown, transition.address, device.error().message);
      continue;
    }
    if (driver_text(*device) != transition.driver_before) {
      differs(transition.address, name + " has " + or_none(driver_text(*device)) + " now, and had " +
                                      or_none(transition.driver_before) + " before");
    }
    if (const auto functions = functions_now(tree_, *device);
        transition.functions_before && functions != transition.functions_before) {
      differs(transition.address, name + " has " + described(functions) + " now, and had " +
                                      described(transition.functions_before) + " before");
    }
    if (settings_lost_.contains(transition.address) && transition.vf_settings_before) {
      differs(transition.address, "the settings of " + name + " are not all as they were before, which was " +
                                      *transition.vf_settings_before);
    }
    if (!result || at >= result->size()) {
      note(
          error.unknown, transition.address,
          "the driver_override of " + name + " could not be read back" + (result ? "" : ": " + result.error().message));
    } else if (sysfs::override_from_attribute((*result)[at]) != transition.override_before) {
      differs(transition.address, "the driver_override of " + name + " is not what it was before");
    }
  }
  // The end of one that is gone is clear; what is still there and not as it was is the worse news.
  if (!error.unrestored.empty()) {
    error.error.code = sysfs::ErrorCode::RestoreFailed;
    error.restored = false;
  } else if (!error.unknown.empty() && error.restored == true) {
    error.error.code = sysfs::ErrorCode::RestoreUnknown;
    error.restored.reset();
    error.next_step = "Look at the device again when the kernel has let go of it: GET its binding, or DELETE it.";
  }
  const auto more = log_.lines_about(addresses_of(*operation_));
  error.kernel_log.insert(error.kernel_log.end(), more.begin(), more.end());
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

// "0": it was at work at that moment, as one that looks again every few seconds is for an instant.
void Execution::note_wait_channel(Blockage& blockage) const {
  const auto channel = tree_.read("proc/" + std::to_string(blockage.worker_pid) + "/wchan");
  if (channel && *channel != "0") blockage.wait_channel = *channel;
}

// The devices that somebody may have open while the step waits: of a changed number of VFs these.
std::vector<sysfs::PciAddress> Execution::held_up_by(const sysfs::Step& step) const {
  if (step.kind != sysfs::StepKind::SetNumVfs)
    return step.address ? std::vector{*step.address} : std::vector<sysfs::PciAddress>{};
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& transition : operation_->transitions) {
    if (transition.remade && is_there(transition.address)) addresses.push_back(transition.address);
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
  const auto tell = [self = shared_from_this()](const TaskResult& result) {
    for (auto& holders : result ? holders_from(*result) : std::vector<std::vector<vfio::Holder>>{}) {
      if (!self->operation_->blocked) break;
      std::ranges::move(holders, std::back_inserter(self->operation_->blocked->holders));
    }
    if (self->operation_->blocked && self->operation_->blocked->wait_channel.empty())
      self->note_wait_channel(*self->operation_->blocked);
    self->hooks_.on_change();
  };
  run_task_(task_for(queries), within_deadline("looking through all processes took too long", tell));
}

void Execution::unblock() {
  if (operation_->state != OperationState::Blocked) return;
  operation_->state = OperationState::Running;
  operation_->blocked.reset();
  hooks_.on_change();
}

}  // namespace devbindd::handoff
