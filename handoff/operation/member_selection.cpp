// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/member_selection.hpp"

#include <algorithm>

#include "handoff/plan/virtual_functions.hpp"
#include "handoff/usage/other_tools.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

// One that found autoprobe off and left it so tells nothing of who had turned it off.
bool says_of_autoprobe(const Operation& change) {
  if (change.request.functions && change.request.functions->autoprobe) return true;
  return std::ranges::any_of(change.transitions, [](const Transition& transition) {
    const auto& before = transition.functions_before;
    const auto& after = transition.functions_after;
    return before && after && (before->autoprobe || after->autoprobe);
  });
}

// By itself, for VFs that were to have no driver, and not because it was told to.
bool has_taken_autoprobe(const std::optional<Operation>& change) {
  if (!change || !change->request.functions || change->request.functions->autoprobe) return false;
  return std::ranges::any_of(change->transitions, [](const Transition& transition) {
    const auto& before = transition.functions_before;
    const auto& after = transition.functions_after;
    return before && after && before->autoprobe && !after->autoprobe;
  });
}

// What the member is to be brought back to, be it not what devbindd first found.
void replace_original(MemberFacts& member, const EarlierBinding& earlier) {
  member.original->driver = earlier.driver;
  member.original->driver_override = earlier.driver_override;
  member.original->vf_settings = earlier.vf_settings;
}

bool is_member(const Facts& facts, const sysfs::PciAddress& address) {
  return std::ranges::any_of(facts.members,
                             [&address](const MemberFacts& member) { return member.device.address == address; });
}

}  // namespace

sysfs::Result<> MemberSelection::select(std::vector<Part>& parts, bool tells) const {
  for (auto& part : parts) {
    if (auto selected = select(part); !selected) return selected;
  }
  if (const auto address = contested(parts)) {
    return sysfs::fail(ErrorCode::ConflictingItems,
                       "two items of the transaction would change " + sysfs::to_string(*address) + ": name it once");
  }
  foresee(parts);
  const auto tools = read_other_tools(services_.tree);
  for (const auto& error : tools.unreadable) {
    if (tells) warn_of(services_, std::unexpected(error));
  }
  for (auto* member : members_of(parts)) {
    const auto known = tools.by_device.find(member->device.address);
    if (known != tools.by_device.end()) member->other_tools = known->second;
  }
  return {};
}

sysfs::Result<> MemberSelection::select(Part& part) const {
  const auto& request = part.request;
  const auto& inventory = services_.inventory;
  if (is_id_change(request.kind)) {
    for (const auto& [address, device] : inventory.devices()) {
      if (!device.driver && request.id == sysfs::id_text(device)) part.facts.id_captures.push_back(address);
    }
    return {};
  }
  const auto* target = inventory.find(*request.address);
  if (target == nullptr) {
    return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*request.address));
  }
  if (auto wrong = mismatch(request.expect, *target); !wrong.empty())
    return sysfs::fail(ErrorCode::IdentityMismatch, std::move(wrong));
  if (request.kind == ChangeKind::SetVfs) {
    select_functions(part, *target);
    return {};
  }
  const auto group = target->iommu_group ? inventory.group_members(*target->iommu_group) : std::vector<sysfs::Device>{};
  const auto affected = affected_devices(request, *target, group, originals_.all());
  for (const auto& address : affected) {
    if (const auto* device = inventory.find(address)) add_member(part, *device);
  }
  for (const auto& device : group) {
    if (std::ranges::find(affected, device.address) == affected.end()) part.facts.bystanders.push_back(device);
  }
  if (request.kind == ChangeKind::Bind && request.method == Method::NewId) select_captured(part);
  return {};
}

// The unbound devices of the members' IDs: a new ID would give them to the driver as well.
void MemberSelection::select_captured(Part& part) const {
  for (const auto& [address, device] : services_.inventory.devices()) {
    const bool twin = std::ranges::any_of(part.facts.members, [&](const MemberFacts& member) {
      return sysfs::id_text(member.device) == sysfs::id_text(device);
    });
    if (twin && !is_member(part.facts, address) && !device.driver) part.facts.id_captures.push_back(address);
  }
}

// The PF and the VFs that it has.
void MemberSelection::select_functions(Part& part, const sysfs::Device& physical) const {
  part.facts.sriov = sysfs::read_sriov(services_.tree, physical);
  part.facts.function_modules =
      sysfs::modules_for(services_.modules, sysfs::function_modalias(services_.tree, physical));
  part.facts.autoprobe_taken =
      has_taken_autoprobe(operations_.last_change_of_functions(physical.address, says_of_autoprobe));
  add_member(part, physical);
  for (const auto& address : physical.virtfns) {
    const auto* function = services_.inventory.find(address);
    if (function == nullptr) continue;
    add_member(part, *function);
    part.facts.members.back().to_vanish = destroys_functions(part.request, physical);
  }
}

void MemberSelection::select_unfinished(Part& part, const Operation& operation) const {
  auto& members = part.facts.members;
  if (part.request.kind == ChangeKind::SetVfs) {
    const auto* physical = services_.inventory.find(*part.request.address);
    if (physical != nullptr) select_functions(part, *physical);
  } else {
    for (const auto& transition : operation.transitions) {
      const auto* device = services_.inventory.find(transition.address);
      if (device == nullptr) continue;
      add_member(part, *device);
      members.back().original = original_for(*device);
      replace_original(members.back(),
                       {transition.driver_before, transition.override_before, transition.vf_settings_before});
      members.back().original->operation = operation.id;
    }
  }
  for (auto& member : members) member.claimed_by.clear();
}

void MemberSelection::add_member(Part& part, const sysfs::Device& device) const {
  MemberFacts member;
  member.device = device;
  member.device.enable_count = sysfs::enable_count_of(services_.tree, device);
  member.sriov = sysfs::read_sriov(services_.tree, device);
  member.candidate_modules = sysfs::modules_for(services_.modules, device.modalias);
  member.original = originals_.find(device);
  if (const auto& earlier = part.request.earlier) {
    if (!member.original) member.original = original_for(device);
    replace_original(member, *earlier);
  }
  member.claimed_by = other_claim(part.request, device);
  if (const auto* cordon = cordons_.find(device)) member.cordoned = cordon->reason;
  part.facts.members.push_back(std::move(member));
}

void MemberSelection::look_at_claims(std::vector<Part>& parts) const {
  for (auto& part : parts) {
    for (auto& member : part.facts.members) {
      member.claimed_by = other_claim(part.request, member.device);
      const auto* cordon = cordons_.find(member.device);
      member.cordoned = cordon != nullptr ? std::optional(cordon->reason) : std::nullopt;
    }
  }
}

// The claim that keeps the device from this request: its own, or that of a function which goes with its driver, a VF or
// one that the driver has made below it.
std::string MemberSelection::other_claim(const ChangeRequest& request, const sysfs::Device& device) const {
  if (const auto claim = claims_(device); !claim.empty() && claim != request.claim) return claim;
  for (const auto& address : device.virtfns) {
    const auto* function = services_.inventory.find(address);
    const auto claim = function != nullptr ? claims_(*function) : std::string{};
    if (!claim.empty() && claim != request.claim) return claim;
  }
  for (const auto* function : services_.inventory.made_by(device)) {
    const auto claim = claims_(*function);
    if (!claim.empty() && claim != request.claim) return claim;
  }
  return {};
}

LockKeys MemberSelection::lock_keys(const std::vector<Part>& parts) const {
  std::vector<sysfs::Device> devices;
  for (const auto& part : parts) {
    for (const auto& member : part.facts.members) devices.push_back(member.device);
    for (const auto& address : part.facts.id_captures) {
      if (const auto* device = services_.inventory.find(address)) devices.push_back(*device);
    }
  }
  auto keys = keys_of(devices);
  for (const auto& part : parts) {
    if (is_id_change(part.request.kind)) keys.insert("driver " + part.request.driver->text());
  }
  return keys;
}

}  // namespace devbindd::handoff
