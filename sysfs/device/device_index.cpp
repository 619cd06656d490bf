// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device_index.hpp"

namespace devbindd::sysfs {

void DeviceIndex::enter(const Device& device) {
  if (device.iommu_group) groups_[*device.iommu_group].insert(device.address);
  if (!device.sysfs_path.empty()) paths_.emplace(device.sysfs_path, device.address);
}

void DeviceIndex::leave(const Device& device) {
  paths_.erase(device.sysfs_path);
  if (!device.iommu_group) return;
  const auto group = groups_.find(*device.iommu_group);
  if (group == groups_.end()) return;
  group->second.erase(device.address);
  if (group->second.empty()) groups_.erase(group);
}

std::set<PciAddress> DeviceIndex::group_members(unsigned group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? std::set<PciAddress>{} : found->second;
}

std::vector<PciAddress> DeviceIndex::below(const std::string& sysfs_path) const {
  std::vector<PciAddress> addresses;
  const auto above = sysfs_path + "/";
  for (auto at = paths_.lower_bound(above); at != paths_.end() && at->first.starts_with(above); ++at)
    addresses.push_back(at->second);
  return addresses;
}

}  // namespace devbindd::sysfs
