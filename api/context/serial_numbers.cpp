// SPDX-License-Identifier: Apache-2.0
#include "api/context/serial_numbers.hpp"

#include <algorithm>

#include "sysfs/device/serial_number.hpp"

namespace devbindd::api {

const SerialNumbers::Number* SerialNumbers::find(const sysfs::PciAddress& address, std::uint64_t revision) const {
  const auto found = known_.find(address);
  return found == known_.end() || found->second.first != revision ? nullptr : &found->second.second;
}

void SerialNumbers::keep(const sysfs::PciAddress& address, std::uint64_t revision, const sysfs::ConfigSpace& config) {
  const auto header = std::span(config.bytes).first(std::min(config.bytes.size(), sysfs::header_bytes));
  const bool silent = std::ranges::all_of(header, [](std::byte byte) { return byte == std::byte{0xff}; });
  if (silent || sysfs::missing_reason(config)) return;
  known_.insert_or_assign(address, std::pair(revision, sysfs::device_serial_number(config)));
}

}  // namespace devbindd::api
