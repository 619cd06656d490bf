// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/operation_table.hpp"

#include <algorithm>

#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {
namespace {

// An end is told when it is on disk and the devices are free again: until then the operation runs.
OperationState shown_state(const Operation& operation) {
  return is_finished(operation) ? OperationState::Running : operation.state;
}

std::shared_ptr<const Operation> shown(const std::shared_ptr<Operation>& operation) {
  if (!is_finished(*operation)) return operation;
  auto copy = std::make_shared<Operation>(*operation);
  copy->state = OperationState::Running;
  copy->finished_at.reset();
  copy->error.reset();
  return copy;
}

// What its steps have done is looked for in the kernel: the journal knows of the first one only that it was begun.
Operation unfinished(Operation operation) {
  operation.state = OperationState::Running;
  operation.blocked.reset();
  operation.error.reset();
  for (auto& step : operation.steps) {
    step.state = StepState::Unknown;
    step.finished_at.reset();
    step.errno_value = 0;
    step.message.clear();
  }
  return operation;
}

}  // namespace

void OperationTable::adopt(const std::vector<OperationRow>& rows, DamagedRows& damaged) {
  for (const auto& row : rows) {
    auto operation = operation_of(row);
    if (!operation) {
      damaged.set_aside({.table = "operations", .key = row.id, .reason = std::move(operation.error())});
    } else if (is_finished(*operation)) {
      past_.push_back(std::make_shared<const Operation>(std::move(*operation)));
    } else {
      add(std::make_shared<Operation>(unfinished(std::move(*operation))));
    }
  }
}

void OperationTable::drop(const std::string& id) {
  ++generation_;
  running_.erase(id);
}

void OperationTable::add(std::shared_ptr<Operation> operation) {
  ++generation_;
  for (const auto& transition : operation->transitions) ++changes_begun_[transition.address];
  const auto id = operation->id;
  running_.emplace(id, std::move(operation));
}

std::uint64_t OperationTable::changes_begun(const sysfs::PciAddress& address) const {
  const auto found = changes_begun_.find(address);
  return found == changes_begun_.end() ? 0 : found->second;
}

void OperationTable::end(const std::string& id) {
  ++generation_;
  const auto ended = running_.extract(id);
  if (ended.empty()) return;
  const auto& operation = *ended.mapped();
  ended_[{operation.request.kind, operation.state}].add(operation.finished_at.value_or(operation.created_at) -
                                                        operation.created_at);
  past_.push_front(ended.mapped());
  if (past_.size() > max_operations) past_.pop_back();
}

std::shared_ptr<Operation> OperationTable::find_running(const std::string& id) const {
  const auto found = running_.find(id);
  return found == running_.end() ? nullptr : found->second;
}

sysfs::Result<std::shared_ptr<const Operation>> OperationTable::find(const std::string& id) const {
  if (const auto running = find_running(id)) return shown(running);
  for (const auto& past : past_) {
    if (past->id == id) return past;
  }
  return sysfs::fail(sysfs::ErrorCode::OperationNotFound, "there is no operation " + id.substr(0, 64) + " (the last " +
                                                              std::to_string(max_operations) + " are kept)");
}

std::vector<std::string> OperationTable::ids(std::optional<OperationState> state) const {
  std::vector<const Operation*> running;
  for (const auto& [id, operation] : running_) {
    if (!state || *state == shown_state(*operation)) running.push_back(operation.get());
  }
  std::ranges::sort(running, std::ranges::greater{}, &Operation::created_at);
  std::vector<std::string> ids;
  for (const auto* operation : running) ids.push_back(operation->id);
  for (const auto& past : past_) {
    if (!state || *state == past->state) ids.push_back(past->id);
  }
  return ids;
}

std::string OperationTable::id_on(const sysfs::PciAddress& address) const {
  for (const auto& [id, operation] : running_) {
    if (std::ranges::find(operation->transitions, address, &Transition::address) != operation->transitions.end())
      return id;
  }
  return {};
}

std::string OperationTable::id_of_claim(const std::string& claim) const {
  const auto binds = [&claim](const Operation& operation) {
    return operation.request.claim == claim &&
           std::ranges::any_of(operation.request.items, [](const auto& item) { return item.kind == ChangeKind::Bind; });
  };
  for (const auto& [id, operation] : running_) {
    if (binds(*operation)) return id;
  }
  for (const auto& past : past_) {
    if (binds(*past)) return past->id;
  }
  return {};
}

std::optional<Operation> OperationTable::last_change_of_functions(const sysfs::PciAddress& physical,
                                                                  const Counts& counts) const {
  for (const auto& past : past_) {
    const bool meant = past->state == OperationState::Succeeded && past->boot_id == boot_id_ &&
                       past->request.kind == ChangeKind::SetVfs && past->request.address == physical;
    if (meant && (!counts || counts(*past))) return *past;
  }
  return std::nullopt;
}

bool OperationTable::remakes(const sysfs::PciAddress& address) const {
  return std::ranges::any_of(running_, [&address](const auto& entry) {
    return std::ranges::any_of(entry.second->transitions, [&address](const Transition& transition) {
      return transition.address == address && transition.remade;
    });
  });
}

bool OperationTable::is_blocked(const std::string& id) const {
  const auto operation = find_running(id);
  return operation != nullptr && operation->state == OperationState::Blocked;
}

bool OperationTable::is_busy() const {
  return std::ranges::any_of(running_,
                             [](const auto& entry) { return entry.second->state != OperationState::Blocked; });
}

}  // namespace devbindd::handoff
