// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/binding_change.hpp"

namespace devbindd::handoff {

Original original_for(const sysfs::Device& device) {
  Original original;
  original.address = device.address;
  original.vendor = device.vendor;
  original.device = device.device;
  original.subsystem_vendor = device.subsystem_vendor;
  original.subsystem_device = device.subsystem_device;
  original.inode = device.inode;
  return original;
}

bool same_identity(const Original& original, const sysfs::Device& device) {
  // A VF that a change of their number makes anew stands for the one before, which went with all of them.
  if (original.inode && !device.physfn && original.inode != device.inode) return false;
  return original.vendor == device.vendor && original.device == device.device &&
         original.subsystem_vendor == device.subsystem_vendor && original.subsystem_device == device.subsystem_device;
}

}  // namespace devbindd::handoff
