// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/virtual_functions.hpp"

#include <algorithm>

namespace devbindd::handoff {
namespace {

using sysfs::PciAddress;

// What the VF at the address is to have. A kernel driver needs no override to keep its device.
EarlierBinding goal_of(const ChangeRequest& request, const PciAddress& address) {
  if (const auto known = request.functions->earlier.find(address); known != request.functions->earlier.end())
    return known->second;
  if (!request.driver) return {};
  const auto& driver = request.driver->text();
  return {driver, is_userspace_driver(driver) ? std::optional(driver) : std::nullopt};
}

void load_driver(StepBuilder& builder, const Facts& facts, const EarlierBinding& goal) {
  if (goal.driver) builder.load_driver(facts, *goal.driver);
}

void plan_kept(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  struct Change {
    PciAddress address;
    EarlierBinding goal;
  };
  std::vector<Change> changes;
  for (const auto& member : facts.members) {
    const auto& address = member.device.address;
    if (address == request.address) continue;
    const auto goal = goal_of(request, address);
    const auto current = member.device.driver ? std::optional(member.device.driver->text()) : std::nullopt;
    const bool exact = request.functions->earlier.contains(address);
    if (current != goal.driver || (exact && member.driver_override != goal.driver_override))
      changes.push_back({address, goal});
  }
  for (const auto& change : changes) load_driver(builder, facts, change.goal);
  for (const auto& member : facts.members) {
    const auto known = request.functions->earlier.find(member.device.address);
    if (known != request.functions->earlier.end() && known->second.vf_settings && member.vf_settings)
      builder.set_vf_settings(member.device.address, *known->second.vf_settings, true);
  }
  for (const auto& [address, goal] : changes) {
    if (goal.driver && !builder.bound_to(address, *goal.driver)) {
      builder.set_override(address, goal.driver);
      builder.unbind(address);
      builder.bind(address, *goal.driver);
    }
    if (!goal.driver) builder.unbind(address);
    builder.set_override(address, goal.driver_override);
  }
}

// What is to hold of the VF with the index: what held of the one with the same index before.
std::optional<std::string> settings_of(const ChangeRequest& request, const Facts& facts, const sysfs::Device& physical,
                                       std::size_t index, const PciAddress& address) {
  if (const auto known = request.functions->earlier.find(address); known != request.functions->earlier.end())
    return known->second.vf_settings;
  if (index >= physical.virtfns.size()) return std::nullopt;
  const auto before = std::ranges::find_if(
      facts.members, [&](const MemberFacts& member) { return member.device.address == physical.virtfns[index]; });
  return before == facts.members.end() ? std::nullopt : before->vf_settings;
}

bool has_settings(const ChangeRequest& request, const Facts& facts, const std::vector<PciAddress>& addresses) {
  const auto& device = physical_function(request, facts);
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    if (settings_of(request, facts, device, index, addresses[index])) return true;
  }
  return false;
}

void plan_created(StepBuilder& builder, const ChangeRequest& request, const Facts& facts,
                  const std::vector<PciAddress>& addresses) {
  const auto& physical = *request.address;
  const auto& device = physical_function(request, facts);
  // vfio-pci means its VFs for itself. Source: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_bus_notifier.
  const auto implied = sysfs::is_vfio_bound(device) ? std::optional(device.driver->text()) : std::nullopt;
  if (!request.functions->vf_token.empty()) builder.set_vf_token(physical, request.functions->vf_token);
  builder.create_functions(physical, request.functions->count, addresses, implied);
  // Before a driver takes one: it would go on with the MAC address that it finds. On the way back of a recovery they
  // must not cost the VF itself.
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    if (const auto settings = settings_of(request, facts, device, index, addresses[index]))
      builder.set_vf_settings(addresses[index], *settings, !request.functions->earlier.empty());
  }
  for (const auto& address : addresses) {
    if (request.functions->kernel_chooses) {
      builder.leave_to_kernel(address);
    } else {
      const auto goal = goal_of(request, address);
      builder.bind_created(address, goal.driver, goal.driver_override);
    }
  }
}

}  // namespace

const sysfs::Device& physical_function(const ChangeRequest& request, const Facts& facts) {
  return std::ranges::find_if(facts.members,
                              [&](const MemberFacts& member) { return member.device.address == request.address; })
      ->device;
}

std::vector<PciAddress> function_addresses(const PciAddress& physical, const sysfs::Sriov& sriov, unsigned count) {
  std::vector<PciAddress> addresses;
  for (unsigned index = 0; index < count; ++index) {
    const auto address = sysfs::function_address(physical, sriov, index);
    if (!address) return {};
    addresses.push_back(*address);
  }
  return addresses;
}

bool destroys_functions(const ChangeRequest& request, const sysfs::Device& physical) {
  return !physical.virtfns.empty() && physical.virtfns.size() != request.functions->count;
}

std::optional<std::string> wanted_function_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (member.to_vanish) return std::nullopt;
  const auto& device = member.device;
  if (device.address == request.address || request.functions->kernel_chooses)
    return device.driver ? std::optional(device.driver->text()) : std::nullopt;
  return goal_of(request, device.address).driver;
}

void plan_functions(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  if (!facts.sriov || request.functions->count > facts.sriov->total) return;
  const auto& goal = *request.functions;
  const auto& physical = *request.address;
  const auto& device = physical_function(request, facts);
  // Without a driver they are anybody's who comes later: a module that udev loads for them.
  const bool to_none = goal.count > 0 && !goal.kernel_chooses && !request.driver && goal.earlier.empty();
  const bool autoprobe = goal.autoprobe.value_or((facts.sriov->autoprobe || facts.autoprobe_taken) && !to_none);
  const auto addresses = function_addresses(physical, *facts.sriov, goal.count);
  if (addresses.size() != goal.count && !goal.kernel_chooses) return;
  if (device.virtfns.size() == goal.count) {
    if (!goal.kernel_chooses) plan_kept(builder, request, facts);
    return builder.set_autoprobe(physical, autoprobe);
  }
  if (goal.count > 0 && !goal.kernel_chooses) {
    for (const auto& address : addresses) load_driver(builder, facts, goal_of(request, address));
    builder.set_autoprobe(physical, false);
  }
  builder.destroy_functions(physical);
  // The kernel's own choice comes with the VFs; where they are to be told something first, it is asked for afterwards.
  const bool asks = goal.kernel_chooses && autoprobe && has_settings(request, facts, addresses);
  if (goal.kernel_chooses) builder.set_autoprobe(physical, autoprobe && !asks);
  if (goal.count > 0) plan_created(builder, request, facts, addresses);
  builder.set_autoprobe(physical, autoprobe);
  for (std::size_t index = 0; asks && index < addresses.size(); ++index) builder.probe(addresses[index]);
}

}  // namespace devbindd::handoff
