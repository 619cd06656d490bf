// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device_changes.hpp"

#include <utility>

namespace devbindd::sysfs {

void DeviceChanges::add(DeviceChange change) {
  if (changes_.size() == max_changes) {
    changes_.clear();
    lost_ = true;
  }
  changes_.push_back(std::move(change));
}

std::vector<DeviceChange> DeviceChanges::take(bool& lost) {
  lost = std::exchange(lost_, false);
  return std::exchange(changes_, {});
}

}  // namespace devbindd::sysfs
