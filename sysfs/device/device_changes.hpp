// SPDX-License-Identifier: Apache-2.0
// What refreshes of the snapshot have changed, until somebody asks for it.
#pragma once

#include <optional>
#include <vector>

#include "sysfs/device/device.hpp"

namespace devbindd::sysfs {

/// How a device was before a refresh and after it; nullopt: it was or is not there.
struct DeviceChange {
  PciAddress address;
  std::optional<Device> before = {};
  std::optional<Device> after = {};
};

class DeviceChanges {
 public:
  void add(DeviceChange change);
  /// Those since the last time, oldest first. Nobody asks for long: only the newest max_changes are kept, and `lost`
  /// says that there were more.
  std::vector<DeviceChange> take(bool& lost);

  static constexpr std::size_t max_changes = 32768;

 private:
  std::vector<DeviceChange> changes_;
  bool lost_ = false;
};

}  // namespace devbindd::sysfs
