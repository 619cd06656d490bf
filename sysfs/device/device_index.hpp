// SPDX-License-Identifier: Apache-2.0
// The devices of the snapshot by their IOMMU group and by their path, so that nothing that is asked for one device
// looks at all of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sysfs/device/device.hpp"

namespace devbindd::sysfs {

class DeviceIndex {
 public:
  void enter(const Device& device);
  void leave(const Device& device);

  /// The devices of one group, ascending.
  std::set<PciAddress> group_members(unsigned group) const;
  /// Those below the path.
  std::vector<PciAddress> below(const std::string& sysfs_path) const;

 private:
  std::map<unsigned, std::set<PciAddress>> groups_;  ///< by IOMMU group
  std::map<std::string, PciAddress> paths_;          ///< by sysfs_path
};

}  // namespace devbindd::sysfs
