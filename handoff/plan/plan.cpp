// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/plan.hpp"

#include <algorithm>

#include "handoff/plan/device_reasons.hpp"
#include "handoff/plan/looked_at.hpp"
#include "handoff/plan/step_builder.hpp"
#include "handoff/plan/verdict.hpp"
#include "handoff/plan/virtual_functions.hpp"

namespace devbindd::handoff {
namespace {

// The members that are to get the driver and do not have it.
std::vector<sysfs::PciAddress> not_bound_to(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  const auto& driver = request.driver->text();
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& member : facts.members) {
    if (wanted_driver(request, member) != driver) continue;
    if (!builder.bound_to(member.device.address, driver)) addresses.push_back(member.device.address);
  }
  return addresses;
}

void unbind_freed_bridges(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  for (const auto& member : facts.members) {
    if (!wanted_driver(request, member)) builder.unbind(member.device.address);
  }
}

void plan_bind_by_override(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  const auto& driver = request.driver->text();
  const auto addresses = not_bound_to(builder, request, facts);
  if (!addresses.empty()) builder.load_driver(facts, driver);
  for (const auto& address : addresses) builder.set_override(address, driver);
  unbind_freed_bridges(builder, request, facts);
  for (const auto& address : addresses) builder.unbind(address);
  for (const auto& address : addresses) builder.bind(address, driver);
  if (is_userspace_driver(driver)) return;
  // A kernel driver needs no override to keep the device; one that stays would keep every other driver away later.
  for (const auto& member : facts.members) {
    const bool was_set_so = member.driver_override == driver;
    if (!was_set_so && std::ranges::find(addresses, member.device.address) != addresses.end()) {
      builder.set_override(member.device.address, std::nullopt);
    }
  }
}

void plan_bind_by_id(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  const auto& driver = request.driver->text();
  const auto addresses = not_bound_to(builder, request, facts);
  if (!addresses.empty()) builder.load_driver(facts, driver);
  std::map<std::string, std::vector<sysfs::PciAddress>> by_id;
  for (const auto& member : facts.members) {
    const auto& address = member.device.address;
    if (std::ranges::find(addresses, address) == addresses.end()) continue;
    by_id[driver + " " + sysfs::id_text(member.device)].push_back(address);
    // A dynamic ID does not count against an override that names another driver.
    if (member.driver_override && *member.driver_override != driver) builder.set_override(address, std::nullopt);
  }
  unbind_freed_bridges(builder, request, facts);
  for (const auto& address : addresses) builder.unbind(address);
  // Each ID is followed by its own devices: the kernel binds them at once, and it is the bind whose undo unbinds them.
  for (const auto& [id, devices] : by_id) {
    builder.add_id(id);
    for (const auto& address : devices) builder.bind(address, driver);
  }
  for (const auto& [id, devices] : by_id) builder.remove_id(id, false);
}

void plan_restore(StepBuilder& builder, const Facts& facts) {
  std::vector<const MemberFacts*> changed;
  for (const auto& member : facts.members) {
    if (!member.original) continue;
    const auto current = member.device.driver ? std::optional(member.device.driver->text()) : std::nullopt;
    if (current != member.original->driver) changed.push_back(&member);
  }
  for (const auto* member : changed) {
    if (!member->original->driver) continue;
    builder.load_driver(facts, *member->original->driver);
  }
  for (const auto* member : changed) {
    if (member->original->driver) builder.set_override(member->device.address, member->original->driver);
  }
  for (const auto* member : changed) builder.unbind(member->device.address);
  for (const auto& member : facts.members) {
    if (member.original && member.original->vf_settings && member.vf_settings)
      builder.set_vf_settings(member.device.address, *member.original->vf_settings, true);
  }
  for (const auto* member : changed) {
    if (member->original->driver) builder.bind(member->device.address, *member->original->driver);
  }
  for (const auto& member : facts.members) {
    if (member.original) builder.set_override(member.device.address, member.original->driver_override);
  }
}

}  // namespace

bool is_userspace_driver(const std::string& driver) {
  const auto name = sysfs::DriverName::parse(driver);
  return driver == "uio_pci_generic" || driver == "igb_uio" || (name && sysfs::is_vfio_driver(*name));
}

namespace {

bool is_freed_bridge(const ChangeRequest& request, const sysfs::Device& device) {
  const bool to_vfio = request.kind == ChangeKind::Bind && sysfs::is_vfio_driver(*request.driver);
  return to_vfio && request.address != device.address && sysfs::is_pci_bridge(device) && device.driver &&
         !sysfs::manages_dma(*device.driver);
}

}  // namespace

std::optional<std::string> wanted_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (request.kind == ChangeKind::Bind && !is_freed_bridge(request, member.device)) return request.driver->text();
  if (request.kind == ChangeKind::Restore && member.original) return member.original->driver;
  if (request.kind == ChangeKind::SetVfs) return wanted_function_driver(request, member);
  return std::nullopt;
}

std::vector<sysfs::PciAddress> affected_devices(const ChangeRequest& request, const sysfs::Device& target,
                                                const std::vector<sysfs::Device>& group,
                                                const std::map<sysfs::PciAddress, Original>& originals) {
  auto scope = request.scope.value_or(Scope::Device);
  if (request.kind == ChangeKind::Restore && !request.scope) {
    const auto original = originals.find(target.address);
    if (original != originals.end()) scope = original->second.scope;
  }
  std::vector<sysfs::PciAddress> addresses{target.address};
  if (scope == Scope::Device) return addresses;
  for (const auto& member : group) {
    if (member.address == target.address) continue;
    if (sysfs::is_pci_bridge(member) && !is_freed_bridge(request, member) && request.kind != ChangeKind::Restore)
      continue;
    const bool restorable = request.kind != ChangeKind::Restore || originals.contains(member.address);
    if (restorable) addresses.push_back(member.address);
  }
  std::ranges::sort(addresses);
  return addresses;
}

std::vector<sysfs::DriverName> drivers_needed(const ChangeRequest& request, const std::vector<MemberFacts>& members) {
  std::vector<sysfs::DriverName> names;
  const auto add = [&names](const std::optional<std::string>& driver) {
    if (!driver) return;
    if (auto name = sysfs::DriverName::parse(*driver)) names.push_back(*name);
  };
  if (request.driver) names.push_back(*request.driver);
  if (request.functions) {
    for (const auto& [address, earlier] : request.functions->earlier) add(earlier.driver);
  }
  for (const auto& member : members) {
    if (request.kind == ChangeKind::Restore && member.original) add(member.original->driver);
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  return names;
}

Plan plan(const ChangeRequest& request, const Facts& facts) {
  StepBuilder builder(facts);
  switch (request.kind) {
    case ChangeKind::Bind:
      if (request.method == Method::NewId) {
        plan_bind_by_id(builder, request, facts);
      } else {
        plan_bind_by_override(builder, request, facts);
      }
      break;
    case ChangeKind::Unbind:
      for (const auto& member : facts.members) builder.unbind(member.device.address);
      break;
    case ChangeKind::Restore: plan_restore(builder, facts); break;
    case ChangeKind::SetOverride:
      for (const auto& member : facts.members) builder.set_override(member.device.address, request.driver->text());
      break;
    case ChangeKind::ClearOverride:
      for (const auto& member : facts.members) builder.set_override(member.device.address, std::nullopt);
      break;
    case ChangeKind::AddId:
      builder.load_driver(facts, request.driver->text());
      builder.add_id(request.driver->text() + " " + request.id);
      break;
    case ChangeKind::RemoveId: builder.remove_id(request.driver->text() + " " + request.id, true); break;
    case ChangeKind::SetVfs: plan_functions(builder, request, facts); break;
    case ChangeKind::Transaction: break;  // transaction.hpp plans its items
  }
  auto made = builder.finish(verdict(request, facts));
  if (!made.steps.empty() && !facts.read_only_sysfs.empty())
    made.evidence.push_back(read_only_evidence(facts.read_only_sysfs));
  for (const auto& member : facts.members) made.looked_at.push_back(looked_at(member));
  return made;
}

}  // namespace devbindd::handoff
