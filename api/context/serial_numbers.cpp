// SPDX-License-Identifier: Apache-2.0
#include "api/context/serial_numbers.hpp"

#include "sysfs/device/serial_number.hpp"

namespace devbindd::api {

const SerialNumbers::Number* SerialNumbers::find(const sysfs::Device& device) const {
  const auto found = known_.find(device.address);
  return found == known_.end() || found->second.first != device.inode ? nullptr : &found->second.second;
}

void SerialNumbers::keep(const sysfs::Device& device, const sysfs::ConfigSpace& config) {
  if (!device.inode || sysfs::does_not_answer(config) || sysfs::missing_reason(config)) return;
  known_.insert_or_assign(device.address, std::pair(*device.inode, sysfs::device_serial_number(config)));
}

}  // namespace devbindd::api
