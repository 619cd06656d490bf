// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/operation_runs.hpp"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include "handoff/journal/rows.hpp"
#include "handoff/model/audit.hpp"

namespace devbindd::handoff {
namespace {

constexpr std::size_t max_running = 64;

std::string new_id() { return boost::uuids::to_string(boost::uuids::random_generator()()); }

std::shared_ptr<Operation> make_operation(OperationRuns::Order& order, const std::string& boot_id) {
  auto operation = std::make_shared<Operation>();
  operation->id = new_id();
  operation->boot_id = boot_id;
  operation->request = std::move(order.request);
  operation->requester = std::move(order.requester);
  operation->created_at = std::chrono::system_clock::now();
  operation->transitions = order.plan.transitions;
  operation->evidence = order.plan.evidence;
  operation->looked_at = order.plan.looked_at;
  for (auto& planned : order.plan.steps)
    operation->steps.push_back({std::move(planned), StepState::Pending, {}, {}, 0, {}});
  return operation;
}

// Nobody needs the VFs' token any longer, which is a secret.
void forget_tokens(Operation& operation) {
  if (operation.request.functions) operation.request.functions->vf_token.clear();
  for (auto& step : operation.steps) {
    if (step.planned.step.kind == sysfs::StepKind::SetVfToken) step.planned.step.argument.clear();
    for (auto& undo : step.planned.undo)
      if (undo.kind == sysfs::StepKind::SetVfToken) undo.argument.clear();
  }
}

Permit permit_for(const Operation& operation) {
  Permit permit{.subject = "operation " + operation.id};
  for (const auto& transition : operation.transitions) permit.devices.push_back(transition.address);
  for (const auto& record : operation.steps) {
    add_to(permit, record.planned.step);
    for (const auto& undo : record.planned.undo) add_to(permit, undo);
  }
  return permit;
}

OperationRow row_with_audit(const Operation& operation, AuditEvent event) {
  std::vector<sysfs::PciAddress> devices;
  for (const auto& transition : operation.transitions) devices.push_back(transition.address);
  auto row = row_of(operation);
  row.audit = row_of(audit_of(operation, event), devices);
  return row;
}

}  // namespace

OperationRuns::OperationRuns(const EngineServices& services, OperationTable& operations, OriginalBindings& originals,
                             Cordons& cordons, DeviceLocks& locks, DeviceView& view, OperationWaiters& waiters)
    : services_(services),
      operations_(operations),
      originals_(originals),
      cordons_(cordons),
      locks_(locks),
      view_(view),
      waiters_(waiters) {}

std::optional<Refusal> OperationRuns::refuse_if_full() const {
  if (operations_.running().size() < max_running) return std::nullopt;
  return refusal_for({sysfs::ErrorCode::TooBusy, "too many operations are under way"});
}

sysfs::Result<RunTask> OperationRuns::open_lane() const {
  return services_.open_lane ? services_.open_lane() : services_.run_task;
}

// From its acceptance on it has a worker, and does not depend on what others ask.
void OperationRuns::begin(Order order, std::function<void(Decision)> answer) {
  auto full = refuse_if_full();
  auto lane = full ? std::unexpected(full->error) : open_lane();
  if (!lane) return answer(Refusal{lane.error(), {}, {}, std::move(order.plan.looked_at)});
  const auto operation = make_operation(order, services_.boot_id);
  std::vector<Original> untouched;
  for (const auto& part : order.parts) {
    for (auto& original : originals_.untouched(part, operation->id)) untouched.push_back(std::move(original));
  }
  const auto id = operation->id;
  operations_.add(operation);
  runs_.emplace(id, Run{.lock = locks_.take(order.keys, id),
                        .permit = permit_of(services_, permit_for(*operation)),
                        .lane = std::move(*lane)});
  const auto stored = [this, answer = std::move(answer), id, untouched](const sysfs::Result<>& done) {
    if (!done) {
      operations_.drop(id);
      runs_.erase(id);
      return answer(refusal_for(done.error()));
    }
    answer(Accepted{id});
    originals_.add(untouched);
    start(id);
  };
  services_.journal.begin(row_with_audit(*operation, AuditEvent::Begun), untouched, stored);
}

void OperationRuns::start(const std::string& id) {
  execute(id, operations_.find_running(id), std::exchange(runs_.at(id).lane, {}),
          {.on_change =
               [this, id] {
                 tell(id);
                 waiters_.changed(id);
               },
           .on_end = [this, id] { end(id); },
           .on_step = [this, id] { tell(id); }});
}

void OperationRuns::tell(const std::string& id) const {
  if (const auto operation = operations_.find_running(id)) tell_of(services_, event_of(*operation));
}

void OperationRuns::hold(const Operation& operation, const LockKeys& keys) {
  runs_.emplace(operation.id,
                Run{.lock = locks_.take(keys, operation.id), .permit = permit_of(services_, permit_for(operation))});
}

void OperationRuns::execute(const std::string& id, std::shared_ptr<Operation> operation, RunTask lane,
                            Execution::Hooks hooks) {
  const auto execution = std::make_shared<Execution>(std::move(operation), services_.tree, std::move(lane),
                                                     services_.run_task, std::move(hooks));
  runs_.at(id).execution = execution;
  execution->start();
}

void OperationRuns::end(const std::string& id) {
  view_.take_waiting();  // those of its own writes, while it is known that it made them
  const auto operation = operations_.find_running(id);
  auto forgotten = originals_.take_end(*operation);
  forget_cordons_of_gone(*operation);
  mark_changed(*operation);
  // The answer waits for the disk: what is told as done stays told after a crash.
  services_.journal.finish(row_with_audit(*operation, AuditEvent::Ended), std::move(forgotten),
                           [this, id, operation](const sysfs::Result<>& stored) {
                             warn_of(services_, stored);
                             forget_tokens(*operation);
                             view_.look();  // while it is known who has made the changes
                             operations_.end(id);
                             runs_.erase(id);
                             tell_of(services_, event_of(*operation));
                             waiters_.changed(id);
                           });
}

// The next function at the address is another one, unless this operation itself has made it anew.
void OperationRuns::forget_cordons_of_gone(const Operation& operation) {
  if (operation.state != OperationState::Succeeded) return;
  for (const auto& transition : operation.transitions) {
    if (!transition.there_after)
      cordons_.forget(transition.address, [this](const sysfs::Result<>& stored) { warn_of(services_, stored); });
  }
}

void OperationRuns::mark_changed(const Operation& operation) {
  for (const auto& transition : operation.transitions) services_.inventory.mark(transition.address);
  if (is_id_change(operation.request.kind) || operation.request.method == Method::NewId) services_.inventory.mark_all();
}

}  // namespace devbindd::handoff
