// SPDX-License-Identifier: Apache-2.0
#include "api/context/serial_numbers.hpp"

#include <algorithm>

#include "sysfs/device/serial_number.hpp"

namespace devbindd::api {

const SerialNumbers::Number* SerialNumbers::find(const sysfs::Device& device) const {
  const auto found = known_.find(device.address);
  return found == known_.end() || found->second.first != device.inode ? nullptr : &found->second.second;
}

void SerialNumbers::keep(const sysfs::Device& device, const sysfs::ConfigSpace& config) {
  const auto header = std::span(config.bytes).first(std::min(config.bytes.size(), sysfs::header_bytes));
  const bool silent = std::ranges::all_of(header, [](std::byte byte) { return byte == std::byte{0xff}; });
  if (!device.inode || silent || sysfs::missing_reason(config)) return;
  known_.insert_or_assign(device.address, std::pair(*device.inode, sysfs::device_serial_number(config)));
}

}  // namespace devbindd::api
