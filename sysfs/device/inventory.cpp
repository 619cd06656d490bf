// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/inventory.hpp"

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {

void Inventory::apply(const UeventBatch& batch) {
  if (batch.lost) mark_all();
  for (const auto& event : batch.events) {
    // A PF changes when its VFs come and go, a bridge's path stands in every path below it: all are read again.
    for (const auto& address : addresses_in(event.devpath)) mark(address);
    if (event.subsystem == "module" || event.subsystem == "drivers") mark_all();
  }
}

void Inventory::mark(const PciAddress& address) { marked_.insert(address); }

void Inventory::mark_if_moved(const PciAddress& address) {
  const auto* const known = find(address);
  const auto driver = link_name(tree_, paths::device(address) + "/driver");
  const auto name = known != nullptr && known->driver ? std::optional(known->driver->text()) : std::nullopt;
  const bool moved = known == nullptr || !driver || *driver != name;
  // One that has no driver and one that is gone have both no such link.
  if (moved || (!name && !exists(tree_, paths::device(address)))) mark(address);
}

void Inventory::mark_all() { all_marked_ = true; }

Result<> Inventory::refresh() {
  if (all_marked_) {
    auto done = read_all();
    if (!done) return done;
    all_marked_ = false;
    marked_.clear();
    return {};
  }
  const auto marked = std::exchange(marked_, {});
  for (const auto& address : marked) {
    auto done = read_one(address);
    if (!done) {
      marked_ = marked;
      return done;
    }
  }
  return {};
}

Result<> Inventory::read_all() {
  auto addresses = list_devices(tree_);
  if (!addresses) return std::unexpected(addresses.error());
  std::map<PciAddress, Device> fresh;
  for (const auto& address : *addresses) {
    auto device = read_device(tree_, address);
    if (!device && device.error().code == ErrorCode::DeviceNotFound) continue;  // unplugged since it was listed
    if (!device) return std::unexpected(device.error());
    fresh.emplace(address, std::move(*device));
  }
  if (fresh == devices_) return {};
  ++generation_;
  devices_ = std::move(fresh);
  groups_.clear();
  paths_.clear();
  for (const auto& [address, device] : devices_) enter(device);
  return {};
}

Result<> Inventory::read_one(const PciAddress& address) {
  auto device = read_device(tree_, address);
  if (!device) {
    if (device.error().code != ErrorCode::DeviceNotFound) return std::unexpected(device.error());
    const auto known = devices_.extract(address);
    if (known.empty()) return {};
    ++generation_;
    leave(known.mapped());
    // Kernels tell nothing about a PF whose VFs go.
    if (const auto& physfn = known.mapped().physfn; physfn && *physfn != address) return read_one(*physfn);
    return {};
  }
  const auto known = devices_.find(address);
  if (known != devices_.end() && known->second == *device) return {};
  put(address, std::move(*device));
  ++generation_;
  return {};
}

void Inventory::put(const PciAddress& address, Device device) {
  if (const auto known = devices_.find(address); known != devices_.end()) leave(known->second);
  enter(device);
  devices_.insert_or_assign(address, std::move(device));
}

void Inventory::enter(const Device& device) {
  if (device.iommu_group) groups_[*device.iommu_group].insert(device.address);
  if (!device.sysfs_path.empty()) paths_.emplace(device.sysfs_path, device.address);
}

void Inventory::leave(const Device& device) {
  paths_.erase(device.sysfs_path);
  if (!device.iommu_group) return;
  const auto group = groups_.find(*device.iommu_group);
  if (group == groups_.end()) return;
  group->second.erase(device.address);
  if (group->second.empty()) groups_.erase(group);
}

const Device* Inventory::find(const PciAddress& address) const {
  const auto found = devices_.find(address);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<Device> Inventory::group_members(unsigned group) const {
  std::vector<Device> members;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return members;
  for (const auto& address : found->second) members.push_back(devices_.at(address));
  return members;
}

std::vector<const Device*> Inventory::made_by(const Device& function) const {
  std::vector<const Device*> made;
  if (is_pci_bridge(function) || function.sysfs_path.empty()) return made;
  const auto above = function.sysfs_path + "/";
  for (auto at = paths_.lower_bound(above); at != paths_.end() && at->first.starts_with(above); ++at)
    made.push_back(&devices_.at(at->second));
  return made;
}

}  // namespace devbindd::sysfs
