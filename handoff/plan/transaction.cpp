// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/transaction.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace devbindd::handoff {
namespace {

const MemberFacts* member_at(const std::vector<Part>& parts, const sysfs::PciAddress& address, const Part** of) {
  for (const auto& part : parts) {
    for (const auto& member : part.facts.members) {
      if (member.device.address != address) continue;
      *of = &part;
      return &member;
    }
  }
  return nullptr;
}

// Whether the part leaves the device with the driver that it has.
bool keeps_driver(const ChangeRequest& request, const MemberFacts& member) {
  switch (request.kind) {
    case ChangeKind::Bind:
    case ChangeKind::Unbind: return false;
    case ChangeKind::Restore: return !member.original;
    default: return true;
  }
}

sysfs::Device as_left_by(const ChangeRequest& request, const MemberFacts& member) {
  auto device = member.device;
  if (keeps_driver(request, member)) return device;
  const auto wanted = wanted_driver(request, member);
  device.driver.reset();
  if (wanted) {
    if (auto name = sysfs::DriverName::parse(*wanted)) device.driver = *name;
  }
  device.vfio_device.reset();
  return device;
}

void keep_physical_functions(const std::vector<Part>& parts, std::vector<Evidence>& evidence) {
  for (auto& item : evidence) {
    if (item.code != "sriov.vfs_enabled" || !item.device) continue;
    const Part* part = nullptr;
    const auto* function = member_at(parts, *item.device, &part);
    if (function == nullptr) continue;
    const auto changed = std::ranges::find_if(function->device.virtfns, [&](const sysfs::PciAddress& address) {
      return member_at(parts, address, &part) != nullptr;
    });
    if (changed == function->device.virtfns.end()) continue;
    item.acceptable = false;
    item.detail += " One of them, " + sysfs::to_string(*changed) + ", is part of the same transaction.";
  }
}

}  // namespace

std::vector<ChangeRequest> parts_of(const ChangeRequest& request) {
  if (request.kind != ChangeKind::Transaction) return {request};
  auto parts = request.items;
  for (auto& part : parts) {
    part.accept_risks = request.accept_risks;
    part.claim = request.claim;
    part.after_grace = request.after_grace;
    part.ends_claim = request.ends_claim;
  }
  return parts;
}

std::vector<MemberFacts*> members_of(std::vector<Part>& parts) {
  std::vector<MemberFacts*> members;
  for (auto& part : parts) {
    for (auto& member : part.facts.members) members.push_back(&member);
  }
  return members;
}

std::optional<sysfs::PciAddress> contested(std::vector<Part>& parts) {
  std::set<sysfs::PciAddress> seen;
  for (const auto* member : members_of(parts)) {
    if (!seen.insert(member->device.address).second) return member->device.address;
  }
  return std::nullopt;
}

void foresee(std::vector<Part>& parts) {
  for (auto& part : parts) {
    for (auto& bystander : part.facts.bystanders) {
      const Part* other = nullptr;
      if (const auto* member = member_at(parts, bystander.address, &other))
        bystander = as_left_by(other->request, *member);
    }
  }
}

Plan plan(const std::vector<Part>& parts) {
  Plan whole;
  for (const auto& part : parts) {
    auto made = plan(part.request, part.facts);
    for (auto& planned : made.steps) {
      const bool loads = planned.step.kind == sysfs::StepKind::LoadModule;
      const bool loaded = loads && std::ranges::find(whole.steps, planned) != whole.steps.end();
      if (!loaded) whole.steps.push_back(std::move(planned));
    }
    std::ranges::move(made.transitions, std::back_inserter(whole.transitions));
    std::ranges::move(made.looked_at, std::back_inserter(whole.looked_at));
    for (auto& item : made.evidence) {
      if (std::ranges::find(whole.evidence, item) == whole.evidence.end()) whole.evidence.push_back(std::move(item));
    }
  }
  keep_physical_functions(parts, whole.evidence);
  return whole;
}

}  // namespace devbindd::handoff
