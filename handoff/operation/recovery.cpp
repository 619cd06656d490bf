// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/recovery.hpp"

#include <algorithm>

#include "sysfs/device/vf_settings.hpp"
#include "sysfs/kernel/wait_channel.hpp"

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

// Whether every device is as the operation was to leave it.
bool has_all_done(const Operation& operation, const Facts& facts) {
  return std::ranges::all_of(operation.transitions, [&facts](const Transition& transition) {
    const auto* member = member_at(facts, transition.address);
    if (transition.kernel_chooses) return member == nullptr || has_settings(*member, transition);
    if (!transition.there_after) return member == nullptr;
    return member != nullptr && is_after(*member, transition, facts);
  });
}

// What is asked of the engine to have the state before the operation back.
Inquiry inquiry_for(const std::shared_ptr<const Operation>& operation) {
  Inquiry inquiry{.request = {}, .requester = operation->requester, .recovers = operation};
  inquiry.request.kind = ChangeKind::Restore;
  inquiry.request.address = operation->transitions.front().address;
  if (const auto* physical = physical_of(*operation)) inquiry.request = functions_back(*operation, *physical);
  inquiry.request.accept_risks = operation->request.accept_risks;
  return inquiry;
}

// The steps back are an operation of their own in all but the name.
std::shared_ptr<Operation> undoing_of(Plan plan) {
  auto undoing = std::make_shared<Operation>();
  undoing->transitions = std::move(plan.transitions);
  undoing->evidence = std::move(plan.evidence);
  for (auto& planned : plan.steps) undoing->steps.push_back({std::move(planned), StepState::Pending, {}, {}, 0, {}});
  return undoing;
}

// They are shown behind the steps of before, of which there are `first`.
void show(const Operation& undoing, std::size_t first, Operation& operation) {
  operation.steps.resize(first);
  operation.steps.insert(operation.steps.end(), undoing.steps.begin(), undoing.steps.end());
  operation.evidence = undoing.evidence;
  operation.state = undoing.state == OperationState::Blocked ? OperationState::Blocked : OperationState::Running;
  operation.blocked = undoing.blocked;
  if (operation.blocked) operation.blocked->step += first;
}

std::string next_step_of(const Operation& operation) {
  const auto* physical = physical_of(operation);
  if (physical == nullptr) return "DELETE the device's binding, which brings back what was there before devbindd.";
  return "PUT /v1/devices/" + sysfs::to_string(physical->address) + "/sriov: there were " +
         std::to_string(physical->functions_before->count) + " virtual functions before.";
}

}  // namespace

void Recovery::start() {
  std::vector<std::string> unfinished;
  for (const auto& [id, operation] : operations_.running()) {
    unfinished.push_back(id);
    std::vector<sysfs::Device> devices;
    for (const auto& transition : operation->transitions) {
      if (const auto* device = services_.inventory.find(transition.address)) devices.push_back(*device);
    }
    runs_.hold(*operation, keys_of(devices));
  }
  for (const auto& id : unfinished) recover(id);
}

void Recovery::recover(const std::string& id) {
  const auto operation = operations_.find_running(id);
  if (operation->boot_id != services_.boot_id) {
    return end(*operation, OperationState::Failed,
               interrupted("the host was restarted since, so that every device is as the start left it."));
  }
  if (wait_for_leftovers(*operation)) return;
  if (operation->transitions.empty()) {
    return end(*operation, OperationState::Interrupted,
               interrupted("whether the driver has the ID now cannot be asked of the kernel."));
  }
  auto inquiry = inquiry_for(operation);
  gatherer_.gather(std::move(inquiry), [this, operation](const std::expected<Findings, Refusal>& findings) {
    if (findings) return decide(operation, *findings);
    if (findings.error().error.code == ErrorCode::TooBusy) return recover_later(operation->id);
    end(*operation, OperationState::Interrupted,
        interrupted("nothing was changed back: " + findings.error().error.message + "."));
  });
}

void Recovery::recover_later(const std::string& id) {
  services_.after(look_again, [this, id] { recover(id); });
}

// True when a worker of before still is at it: looked at again in a while, shown as blocked meanwhile, for as long as
// the kernel keeps it. One that is stopped has come out of the kernel, and nobody may ever let it go on: it is ended,
// and with it what it would still do.
bool Recovery::wait_for_leftovers(Operation& operation) {
  for (const auto& worker : services_.leftovers()) {
    if (!concerns(worker, operation)) continue;
    if (worker.stopped) services_.end_leftover(worker.pid);
    block(operation, worker);
    waiters_.changed(operation.id);
    recover_later(operation.id);
    return true;
  }
  operation.state = OperationState::Running;
  operation.blocked.reset();
  return false;
}

// The log has one line for each such worker.
void Recovery::block(Operation& operation, const LeftoverWorker& worker) const {
  const bool first = !operation.blocked || operation.blocked->worker_pid != worker.pid;
  const auto since = operation.blocked ? operation.blocked->since : this_moment();
  operation.state = OperationState::Blocked;
  operation.blocked = Blockage{.step = 0,
                               .since = since,
                               .worker_pid = worker.pid,
                               .wait_channel = sysfs::wait_channel(services_.tree, worker.pid),
                               .holders = {}};
  if (!first || !services_.inform) return;
  services_.inform("operation " + operation.id + " of an earlier devbindd waits for its worker process " +
                   std::to_string(worker.pid) + (worker.label.empty() ? "" : ", at work on " + worker.label) +
                   (operation.blocked->wait_channel.empty() ? "" : ", in " + operation.blocked->wait_channel));
}

void Recovery::decide(const std::shared_ptr<Operation>& operation, const Findings& findings) {
  const auto& facts = findings.parts.front().facts;
  const bool stuck = std::ranges::any_of(facts.members, [](const auto& member) { return !member.override_known; });
  if (stuck) return recover_later(operation->id);
  if (facts.members.empty())
    return end(*operation, OperationState::Failed, sysfs::Error{ErrorCode::DeviceGone, "the device is gone"});
  const bool all_after = has_all_done(*operation, facts);
  auto removals = id_removals(*operation);
  if (all_after && removals.empty()) return end(*operation, OperationState::Succeeded, std::nullopt);
  auto made = all_after ? Plan{} : plan(findings.parts);
  made.steps.insert(made.steps.end(), removals.begin(), removals.end());
  operation->evidence = made.evidence;
  const auto refused_by = blocking(made.evidence, operation->request.accept_risks);
  if (!refused_by.empty()) {
    return end(*operation, OperationState::Interrupted,
               interrupted("it was not undone, for what is found now: " + refused_by.front().detail));
  }
  if (made.steps.empty())
    return end(*operation, OperationState::Failed, interrupted("every device is as it was before."));
  repair(operation, std::move(made));
}

void Recovery::repair(const std::shared_ptr<Operation>& operation, Plan plan) {
  auto lane = runs_.open_lane();
  if (!lane) {
    warn_of(services_, std::unexpected(lane.error()));
    return recover_later(operation->id);
  }
  const auto undoing = undoing_of(std::move(plan));
  const auto first = operation->steps.size();
  runs_.execute(operation->id, undoing, std::move(*lane),
                {.on_change =
                     [this, operation, undoing, first] {
                       show(*undoing, first, *operation);
                       waiters_.changed(operation->id);
                     },
                 .on_end =
                     [this, operation, undoing, first] {
                       show(*undoing, first, *operation);
                       end_repair(*operation, *undoing);
                     }});
}

void Recovery::end_repair(Operation& operation, const Operation& undoing) {
  if (undoing.state == OperationState::Succeeded) {
    const bool forward = undoing.transitions.empty();
    if (forward) return end(operation, OperationState::Succeeded, std::nullopt);
    return end(operation, OperationState::Failed, interrupted("the state before it was brought back."));
  }
  operation.error = undoing.error;
  operation.error->restored = false;
  end(operation, OperationState::Interrupted, interrupted("undoing it failed: " + undoing.error->error.message + "."));
}

void Recovery::end(Operation& operation, OperationState state, std::optional<sysfs::Error> error) {
  operation.state = state;
  operation.finished_at = this_moment();
  operation.blocked.reset();
  if (error) note_error(operation, std::move(*error));
  if (services_.inform) {
    services_.inform("operation " + operation.id + " of an earlier devbindd: " + std::string(name_of(state)) +
                     (operation.error ? ", " + operation.error->error.message : std::string{}));
  }
  runs_.end(operation.id);
}

// What is said of devices that are not as they were before.
void Recovery::note_error(Operation& operation, sysfs::Error error) const {
  if (!operation.error) operation.error.emplace();
  auto& noted = *operation.error;
  noted.error = std::move(error);
  bool restored = operation.state == OperationState::Failed && noted.error.code != ErrorCode::DeviceGone;
  for (const auto& transition : operation.transitions) {
    if (!restored || !has_lost_functions(services_.tree, transition)) continue;
    restored = false;
    noted.undo_failures.push_back("the virtual functions of " + sysfs::to_string(transition.address) +
                                  " went with its driver: it had " +
                                  std::to_string(transition.functions_before->count));
  }
  noted.restored = restored;
  if (restored) return;
  for (const auto& transition : operation.transitions) {
    const bool there = services_.inventory.find(transition.address) != nullptr;
    const bool missing = !there && transition.there_before && transition.remade;
    if (there || missing) noted.unrestored.push_back(transition.address);
  }
  if (noted.next_step.empty()) noted.next_step = next_step_of(operation);
}

}  // namespace devbindd::handoff
