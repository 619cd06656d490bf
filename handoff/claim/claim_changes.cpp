// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_changes.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "handoff/model/vfio_driver.hpp"

namespace devbindd::handoff {
namespace {

// Whoever has given a device to another driver meanwhile had his reasons. One without a driver is not left so, unless
// it is kept for its settings only.
bool is_given_back(const Transition& transition, const sysfs::Device& device) {
  const auto driver = device.driver ? std::optional(device.driver->text()) : std::nullopt;
  const bool was_bound = transition.driver_before == transition.driver_after;
  return driver == transition.driver_after || (!driver && !was_bound);
}

}  // namespace

std::vector<sysfs::Device> claimable_group(const sysfs::Inventory& inventory, const sysfs::PciAddress& address) {
  const auto* device = inventory.find(address);
  if (device == nullptr) return {};
  auto group = device->iommu_group ? inventory.group_members(*device->iommu_group) : std::vector{*device};
  std::erase_if(group, sysfs::is_pci_bridge);
  return group;
}

sysfs::DriverName driver_for_group(const sysfs::ModuleIndex& modules, const ClaimRequest& request,
                                   const std::vector<sysfs::Device>& group) {
  if (request.driver) return *request.driver;
  auto chosen = default_vfio_driver();
  for (std::size_t at = 0; at < group.size(); ++at) {
    const auto best = best_vfio_driver(modules, group[at].modalias);
    if (at > 0 && best != chosen) return default_vfio_driver();
    chosen = best;
  }
  return chosen;
}

ChangeRequest binding_of(const Claim& claim) {
  ChangeRequest request;
  request.kind = ChangeKind::Transaction;
  request.claim = claim.id;
  request.accept_risks = claim.request.accept_risks;
  std::set<unsigned> groups;
  for (const auto& device : claim.devices) {
    if (device.iommu_group && !groups.insert(*device.iommu_group).second) continue;
    ChangeRequest item;
    item.address = device.address;
    item.driver = sysfs::DriverName::parse(device.driver).value_or(default_vfio_driver());
    item.scope = Scope::Group;
    request.items.push_back(std::move(item));
  }
  return request;
}

ChangeRequest give_back_of(const Claim& claim, const sysfs::Inventory& inventory, const DeviceFaults& faults) {
  ChangeRequest request;
  request.kind = ChangeKind::Transaction;
  request.claim = claim.id;
  request.accept_risks = claim.request.accept_risks;
  // The unbind then waits in the kernel, which asks the consumer to let go. Source: vfio_main.c, the device's
  // `request`.
  request.after_grace = is_grace_over(claim);
  if (request.after_grace) request.accept_risks.emplace_back("vfio.open");
  for (const auto& transition : claim.changed) {
    const auto* device = inventory.find(transition.address);
    if (!claim.request.restore || device == nullptr || faults.contains(transition.address)) continue;
    const auto claimed = std::ranges::find(claim.devices, transition.address, &ClaimedDevice::address);
    if (claimed != claim.devices.end() && is_another(*claimed, *device)) continue;
    if (!is_given_back(transition, *device)) continue;
    ChangeRequest item;
    item.kind = ChangeKind::Restore;
    item.address = transition.address;
    item.scope = Scope::Device;
    item.earlier = EarlierBinding{transition.driver_before, transition.override_before, transition.vf_settings_before};
    request.items.push_back(std::move(item));
  }
  return request;
}

}  // namespace devbindd::handoff
