// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/original_bindings.hpp"

#include <algorithm>
#include <set>

#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

Original original_of(const MemberFacts& member, Scope scope, const std::string& operation) {
  auto original = original_for(member.device);
  if (member.device.driver) original.driver = member.device.driver->text();
  original.driver_override = member.driver_override;
  original.vf_settings = member.vf_settings;
  original.scope = scope;
  original.operation = operation;
  return original;
}

// A change of the number of VFs leaves those alone that keep their driver, however they are.
bool settles(const Operation& operation, const Transition& transition) {
  if (operation.request.kind != ChangeKind::SetVfs || transition.remade) return true;
  return std::ranges::any_of(operation.steps, [&transition](const StepRecord& record) {
    return record.planned.step.address == transition.address;
  });
}

bool leaves_incomplete(const Operation& operation, const sysfs::PciAddress& address) {
  return operation.error && (std::ranges::count(operation.error->unrestored, address) > 0 ||
                             std::ranges::count(operation.error->unknown, address) > 0);
}

// A device that is again as devbindd found it needs no record; one whose change failed and was undone neither.
bool needs_no_record(const Operation& operation, const Transition& transition, const Original& original) {
  const bool succeeded = operation.state == OperationState::Succeeded;
  const bool undone = operation.error && operation.error->restored == true;
  const auto& driver = succeeded ? transition.driver_after : transition.driver_before;
  const auto& driver_override = succeeded ? transition.override_after : transition.override_before;
  const bool replaced = succeeded && transition.remade;
  const bool as_found = driver == original.driver && driver_override == original.driver_override;
  return ((succeeded || undone) && as_found) || replaced;
}

}  // namespace

void OriginalBindings::adopt(const std::vector<Original>& originals, const OperationTable::Past& past) {
  for (const auto& original : originals) originals_.emplace(original.address, original);
  std::set<sysfs::PciAddress> told;
  for (const auto& operation : past) {
    if (operation->boot_id != services_.boot_id) continue;
    const bool succeeded = operation->state == OperationState::Succeeded;
    for (const auto& transition : operation->transitions) {
      const bool incomplete = leaves_incomplete(*operation, transition.address);
      const bool settled = succeeded && settles(*operation, transition);
      if ((!settled && !incomplete) || !told.insert(transition.address).second) continue;
      if (incomplete) incomplete_.emplace(transition.address, operation->id);
      if (settled) note_left(*operation, transition);
    }
  }
}

void OriginalBindings::forget_replaced(const OperationTable& operations) {
  std::vector<sysfs::PciAddress> gone;
  for (const auto& [address, original] : originals_) {
    const auto* device = services_.inventory.find(address);
    const bool same = device != nullptr && same_identity(original, *device);
    if (!same && !operations.remakes(address)) gone.push_back(address);
  }
  forget(gone);
}

void OriginalBindings::forget(const std::vector<sysfs::PciAddress>& addresses) {
  std::vector<sysfs::PciAddress> gone;
  for (const auto& address : addresses) {
    incomplete_.erase(address);
    left_with_.erase(address);
    if (originals_.erase(address) > 0) gone.push_back(address);
  }
  if (gone.empty()) return;
  services_.journal.forget(std::move(gone),
                           [&services = services_](const sysfs::Result<>& stored) { warn_of(services, stored); });
}

std::optional<Original> OriginalBindings::find(const sysfs::Device& device) const {
  const auto found = originals_.find(device.address);
  if (found == originals_.end() || !same_identity(found->second, device)) return std::nullopt;
  return found->second;
}

// Where the kernel was to choose, or the device was to vanish, nothing can drift.
void OriginalBindings::note_left(const Operation& operation, const Transition& transition) {
  if (operation.state != OperationState::Succeeded || !settles(operation, transition)) return;
  left_with_.erase(transition.address);
  if (!transition.kernel_chooses && transition.there_after)
    left_with_.emplace(transition.address, transition.driver_after);
}

std::optional<std::optional<std::string>> OriginalBindings::left_with(const sysfs::Device& device) const {
  const auto found = left_with_.find(device.address);
  if (found == left_with_.end() || !find(device)) return std::nullopt;
  return found->second;
}

bool is_drifted(const sysfs::Device& device, const std::optional<std::string>& left_with,
                const OperationTable& operations) {
  const auto driver = device.driver ? std::optional(device.driver->text()) : std::nullopt;
  return driver != left_with && operations.id_on(device.address).empty();
}

std::string OriginalBindings::left_incomplete_by(const sysfs::PciAddress& address) const {
  const auto found = incomplete_.find(address);
  return found == incomplete_.end() ? std::string{} : found->second;
}

std::vector<Original> OriginalBindings::untouched(const Part& part, const std::string& operation) const {
  std::vector<Original> found;
  const auto scope = part.request.scope.value_or(Scope::Device);
  for (const auto& member : part.facts.members) {
    const bool counted = part.request.kind == ChangeKind::SetVfs && part.request.address == member.device.address;
    if (counted || member.to_vanish) continue;  // keeps its driver; has nothing to be given back
    if (!originals_.contains(member.device.address) || !member.original)
      found.push_back(original_of(member, scope, operation));
  }
  for (const auto& address : part.facts.id_captures) {
    const auto* device = services_.inventory.find(address);
    if (device == nullptr || originals_.contains(address) || part.request.kind == ChangeKind::RemoveId) continue;
    found.push_back(original_of({.device = *device}, Scope::Device, operation));
  }
  return found;
}

void OriginalBindings::add(const std::vector<Original>& originals) {
  for (const auto& original : originals) originals_.insert_or_assign(original.address, original);
}

std::vector<sysfs::PciAddress> OriginalBindings::take_end(const Operation& operation) {
  std::vector<sysfs::PciAddress> forgotten;
  for (const auto& transition : operation.transitions) {
    const auto original = originals_.find(transition.address);
    if (original == originals_.end()) continue;
    const bool gone = !sysfs::exists(services_.tree, sysfs::paths::device(transition.address));
    if (gone || needs_no_record(operation, transition, original->second)) forgotten.push_back(transition.address);
  }
  for (const auto& transition : operation.transitions) note_left(operation, transition);
  for (const auto& address : forgotten) {
    originals_.erase(address);
    left_with_.erase(address);
  }
  mark_incomplete(operation);
  return forgotten;
}

void OriginalBindings::mark_incomplete(const Operation& operation) {
  if (operation.state == OperationState::Succeeded) {
    for (const auto& transition : operation.transitions) {
      if (settles(operation, transition)) incomplete_.erase(transition.address);
    }
  }
  if (!operation.error) return;
  for (const auto* left : {&operation.error->unrestored, &operation.error->unknown}) {
    for (const auto& address : *left) incomplete_.insert_or_assign(address, operation.id);
  }
}

}  // namespace devbindd::handoff
