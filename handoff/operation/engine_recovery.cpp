// SPDX-License-Identifier: Apache-2.0
// What an earlier daemon left unfinished (kill -9, power loss, upgrade): brought to an end before anything else touches
// those devices. The journal had the whole operation, with the state before it, before its first write; what the kernel
// shows now decides.
#include <algorithm>

#include "handoff/journal/rows.hpp"
#include "handoff/operation/engine_parts.hpp"
#include "handoff/worker/leftover_workers.hpp"
#include "sysfs/device/vf_settings.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::chrono::milliseconds look_again{200};

TimePoint this_moment() { return std::chrono::system_clock::now(); }

// An idle worker takes nothing up any more when its daemon is gone (worker.cpp), and reading changes nothing. One that
// does not tell what it does may do anything.
bool concerns(const LeftoverWorker& worker, const Operation& operation) {
  if (worker.label == "reading" || worker.label == "idle") return false;
  if (worker.label.empty()) return true;
  const auto is_shown = [&worker](const sysfs::Step& step) { return label_of(step) == worker.label; };
  return std::ranges::any_of(operation.steps, [&is_shown](const StepRecord& record) {
    return is_shown(record.planned.step) || std::ranges::any_of(record.planned.undo, is_shown);
  });
}

// What cannot be read is no reason to undo what was done.
bool has_settings(const MemberFacts& member, const Transition& transition) {
  if (!transition.vf_settings_after || !member.vf_settings) return true;
  const auto current = sysfs::vf_settings_from(*member.vf_settings);
  const auto wanted = sysfs::vf_settings_from(*transition.vf_settings_after);
  return !current || !wanted || sysfs::are_as_wanted(*current, *wanted);
}

bool is_after(const MemberFacts& member, const Transition& transition, const Facts& facts) {
  const auto driver = member.device.driver ? std::optional(member.device.driver->text()) : std::nullopt;
  const bool bound = driver == transition.driver_after && member.driver_override == transition.override_after &&
                     has_settings(member, transition);
  if (!transition.functions_after) return bound;
  return bound && facts.sriov && transition.functions_after->count == member.device.virtfns.size() &&
         transition.functions_after->autoprobe == facts.sriov->autoprobe;
}

const MemberFacts* member_at(const Facts& facts, const sysfs::PciAddress& address) {
  const auto found = std::ranges::find_if(
      facts.members, [&address](const MemberFacts& member) { return member.device.address == address; });
  return found == facts.members.end() ? nullptr : &*found;
}

// The PF whose number of VFs was to be changed, or nullptr.
const Transition* physical_of(const Operation& operation) {
  const auto found = std::ranges::find_if(
      operation.transitions, [](const Transition& transition) { return transition.functions_after.has_value(); });
  return found == operation.transitions.end() ? nullptr : &*found;
}

// The way back: as many VFs as before, each with what it had.
ChangeRequest functions_back(const Operation& operation, const Transition& physical) {
  ChangeRequest request;
  request.kind = ChangeKind::SetVfs;
  request.address = physical.address;
  request.functions = VirtualFunctions{.count = physical.functions_before->count,
                                       .kernel_chooses = false,
                                       .autoprobe = physical.functions_before->autoprobe};
  for (const auto& transition : operation.transitions) {
    if (!transition.functions_before && transition.there_before)
      request.functions->earlier[transition.address] = {transition.driver_before, transition.override_before,
                                                        transition.vf_settings_before};
  }
  return request;
}

// An ID that was added for a moment must not stay: it would capture devices for ever.
std::vector<PlannedStep> id_removals(const Operation& operation) {
  std::vector<PlannedStep> steps;
  if (operation.request.kind != ChangeKind::Bind) return steps;
  for (const auto& record : operation.steps) {
    if (record.planned.step.kind == sysfs::StepKind::AddId)
      steps.push_back({.step = {sysfs::StepKind::RemoveId, std::nullopt, record.planned.step.argument},
                       .undo = {},
                       .absent_is_done = true});
  }
  return steps;
}

// A PF's driver takes its VFs along, and does not bring them back.
bool has_lost_functions(const sysfs::Tree& tree, const Transition& transition) {
  if (!transition.functions_before) return false;
  const auto device = sysfs::read_device(tree, transition.address);
  return device && device->virtfns.size() < transition.functions_before->count;
}

sysfs::Error interrupted(std::string outcome) {
  return {ErrorCode::Interrupted, "devbindd ended before the operation did; " + std::move(outcome)};
}

}  // namespace

// What its steps have done is looked for in the kernel: the journal knows of the first one only that it was begun.
void Engine::adopt_unfinished(Operation operation) {
  operation.state = OperationState::Running;
  operation.blocked.reset();
  operation.error.reset();
  for (auto& step : operation.steps) {
    step.state = StepState::Unknown;
    step.finished_at.reset();
    step.errno_value = 0;
    step.message.clear();
  }
  auto running = std::make_unique<Running>();
  running->operation = std::make_shared<Operation>(std::move(operation));
  running->unfinished = true;
  const auto id = running->operation->id;
  running_.emplace(id, std::move(running));
}

void Engine::start_recovery() {
  std::vector<std::string> unfinished;
  for (auto& [id, running] : running_) {
    if (!running->unfinished) continue;
    unfinished.push_back(id);
    std::vector<sysfs::Device> devices;
    for (const auto& transition : running->operation->transitions) {
      if (const auto* device = services_.inventory.find(transition.address)) devices.push_back(*device);
    }
    running->lock = locks_.take(keys_of(devices), id);
  }
  forget_devices_of_before();
  for (const auto& id : unfinished) recover(id);
}

// True when a worker of before still is at it: looked at again in a while, shown as blocked meanwhile, for as long as
// the kernel keeps it. One that is stopped has come out of the kernel, and nobody may ever let it go on: it is ended,
// and with it what it would still do.
bool Engine::wait_for_leftovers(const std::string& id) {
  auto& operation = *running_.at(id)->operation;
  for (const auto& worker : services_.leftovers()) {
    if (!concerns(worker, operation)) continue;
    if (worker.stopped) services_.end_leftover(worker.pid);
    const auto channel = services_.tree.read("proc/" + std::to_string(worker.pid) + "/wchan").value_or("");
    const bool first = !operation.blocked || operation.blocked->worker_pid != worker.pid;
    const auto since = operation.blocked ? operation.blocked->since : this_moment();
    operation.state = OperationState::Blocked;
    operation.blocked = Blockage{.step = 0,
                                 .since = since,
                                 .worker_pid = worker.pid,
                                 .wait_channel = channel == "0" ? std::string{} : channel,
                                 .holders = {}};
    if (first && services_.inform)
      services_.inform("operation " + id + " of an earlier devbindd waits for its worker process " +
                       std::to_string(worker.pid) + (worker.label.empty() ? "" : ", at work on " + worker.label) +
                       (operation.blocked->wait_channel.empty() ? "" : ", in " + operation.blocked->wait_channel));
    notify(id);
    services_.after(look_again, [this, id] { recover(id); });
    return true;
  }
  operation.state = OperationState::Running;
  operation.blocked.reset();
  return false;
}

void Engine::recover(const std::string& id) {
  const auto& operation = *running_.at(id)->operation;
  if (operation.boot_id != services_.boot_id) {
    return end_recovery(id, OperationState::Failed,
                        interrupted("the host was restarted since, so that every device is as the start left it."));
  }
  if (wait_for_leftovers(id)) return;
  if (operation.transitions.empty()) {
    return end_recovery(id, OperationState::Interrupted,
                        interrupted("whether the driver has the ID now cannot be asked of the kernel."));
  }
  auto gathering = std::make_shared<Gathering>();
  gathering->recovers = id;
  gathering->request.kind = ChangeKind::Restore;
  gathering->request.address = operation.transitions.front().address;
  if (const auto* physical = physical_of(operation)) gathering->request = functions_back(operation, *physical);
  gathering->request.accept_risks = operation.request.accept_risks;
  gathering->requester = operation.requester;
  gathering->decide = [this, id](const Decision& decision) {
    const auto* refusal = std::get_if<Refusal>(&decision);
    end_recovery(id, OperationState::Interrupted,
                 interrupted("nothing was changed back: " +
                             (refusal != nullptr ? refusal->error.message : std::string("no reason is known")) + "."));
  };
  gather(std::move(gathering));
}

// The operation's own devices, each with the state before it as what is to come back.
void Engine::select_unfinished(Gathering& gathering) {
  if (gathering.request.kind == ChangeKind::SetVfs) {
    auto& part = gathering.parts.front();
    const auto* physical = services_.inventory.find(*gathering.request.address);
    if (physical != nullptr) select_functions(part, *physical, services_.inventory);
    for (auto& member : part.facts.members) member.claimed_by.clear();
    return;
  }
  for (const auto& transition : running_.at(gathering.recovers)->operation->transitions) {
    const auto* device = services_.inventory.find(transition.address);
    if (device == nullptr) continue;
    auto& part = gathering.parts.front();
    add_member(part, *device);
    auto& member = part.facts.members.back();
    member.claimed_by.clear();  // what was begun before is brought to its end, whoever holds the device
    member.original = original_for(*device);
    member.original->driver = transition.driver_before;
    member.original->driver_override = transition.override_before;
    member.original->vf_settings = transition.vf_settings_before;
    member.original->operation = gathering.recovers;
  }
}

void Engine::decide_recovery(const std::shared_ptr<Gathering>& gathering) {
  const auto& id = gathering->recovers;
  auto& operation = *running_.at(id)->operation;
  const auto& facts = gathering->parts.front().facts;
  const bool stuck = std::ranges::any_of(facts.members, [](const auto& member) { return !member.override_known; });
  if (stuck) {
    services_.after(look_again, [this, id] { recover(id); });
    return;
  }
  if (facts.members.empty())
    return end_recovery(id, OperationState::Failed, sysfs::Error{ErrorCode::DeviceGone, "the device is gone"});
  const bool all_after = std::ranges::all_of(operation.transitions, [&facts](const Transition& transition) {
    const auto* member = member_at(facts, transition.address);
    if (transition.kernel_chooses) return member == nullptr || has_settings(*member, transition);
    if (!transition.there_after) return member == nullptr;
    return member != nullptr && is_after(*member, transition, facts);
  });
  auto removals = id_removals(operation);
  if (all_after && removals.empty()) return end_recovery(id, OperationState::Succeeded, std::nullopt);
  auto made = all_after ? Plan{} : plan(gathering->parts);
  made.steps.insert(made.steps.end(), removals.begin(), removals.end());
  operation.evidence = made.evidence;
  const auto refused_by = blocking(made.evidence, gathering->request.accept_risks);
  if (!refused_by.empty()) {
    return end_recovery(id, OperationState::Interrupted,
                        interrupted("it was not undone, for what is found now: " + refused_by.front().detail));
  }
  if (made.steps.empty()) {
    return end_recovery(id, OperationState::Failed, interrupted("every device is as it was before."));
  }
  repair(id, std::move(made));
}

// The steps back are an operation of their own in all but the name; they are shown behind the steps of before.
void Engine::repair(const std::string& id, Plan plan) {
  auto lane = open_lane();
  if (!lane) {
    warn(std::unexpected(lane.error()));
    return services_.after(look_again, [this, id] { recover(id); });
  }
  const auto undoing = std::make_shared<Operation>();
  undoing->transitions = plan.transitions;
  undoing->evidence = plan.evidence;
  for (auto& planned : plan.steps) undoing->steps.push_back({std::move(planned), StepState::Pending, {}, {}, 0, {}});
  const auto show = [this, id, undoing, first = running_.at(id)->operation->steps.size()] {
    auto& operation = *running_.at(id)->operation;
    operation.steps.resize(first);
    operation.steps.insert(operation.steps.end(), undoing->steps.begin(), undoing->steps.end());
    operation.evidence = undoing->evidence;
    operation.state = undoing->state == OperationState::Blocked ? OperationState::Blocked : OperationState::Running;
    operation.blocked = undoing->blocked;
    if (operation.blocked) operation.blocked->step += first;
  };
  auto& running = *running_.at(id);
  running.execution = std::make_shared<Execution>(
      undoing, services_.tree, std::move(*lane), services_.run_task,
      Execution::Hooks{.on_change =
                           [this, id, show] {
                             show();
                             notify(id);
                           },
                       .on_end =
                           [this, id, undoing, show] {
                             show();
                             if (undoing->state == OperationState::Succeeded) {
                               const bool forward = undoing->transitions.empty();
                               return end_recovery(
                                   id, forward ? OperationState::Succeeded : OperationState::Failed,
                                   forward ? std::nullopt
                                           : std::optional(interrupted("the state before it was brought back.")));
                             }
                             running_.at(id)->operation->error = undoing->error;
                             running_.at(id)->operation->error->restored = false;
                             end_recovery(id, OperationState::Interrupted,
                                          interrupted("undoing it failed: " + undoing->error->error.message + "."));
                           }});
  running.execution->start();
}

void Engine::end_recovery(const std::string& id, OperationState state, std::optional<sysfs::Error> error) {
  auto& operation = *running_.at(id)->operation;
  operation.state = state;
  operation.finished_at = this_moment();
  operation.blocked.reset();
  if (error) {
    if (!operation.error) operation.error.emplace();
    operation.error->error = std::move(*error);
    operation.error->restored = state == OperationState::Failed && operation.error->error.code != ErrorCode::DeviceGone;
    for (const auto& transition : operation.transitions) {
      if (*operation.error->restored && has_lost_functions(services_.tree, transition)) {
        operation.error->restored = false;
        operation.error->undo_failures.push_back("the virtual functions of " + sysfs::to_string(transition.address) +
                                                 " went with its driver: it had " +
                                                 std::to_string(transition.functions_before->count));
      }
    }
    for (const auto& transition : operation.transitions) {
      const bool there = services_.inventory.find(transition.address) != nullptr;
      const bool missing = !there && transition.there_before && transition.remade;
      if (!*operation.error->restored && (there || missing)) operation.error->unrestored.push_back(transition.address);
    }
    const auto* physical = physical_of(operation);
    if (!*operation.error->restored && operation.error->next_step.empty())
      operation.error->next_step =
          physical == nullptr ? "DELETE the device's binding, which brings back what was there before devbindd."
                              : "PUT /v1/devices/" + sysfs::to_string(physical->address) + "/sriov: there were " +
                                    std::to_string(physical->functions_before->count) + " virtual functions before.";
  }
  if (services_.inform) {
    services_.inform("operation " + id + " of an earlier devbindd: " + std::string(name_of(state)) +
                     (operation.error ? ", " + operation.error->error.message : std::string{}));
  }
  ended(id);
}

}  // namespace devbindd::handoff
