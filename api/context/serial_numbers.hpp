// SPDX-License-Identifier: Apache-2.0
// Serial numbers of devices that have been read once. A function keeps its number for as long as it is there, and
// reading it again costs more than all the rest of the device's answer: 4,096 bytes of configuration space, each read
// of which goes to the device and wakes it up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/device.hpp"

namespace devbindd::api {

class SerialNumbers {
 public:
  using Number = std::optional<std::string>;  ///< nullopt: the function has none

  /// nullptr where none is known of this very device: one that came in its place has another inode.
  const Number* find(const sysfs::Device& device) const;
  /// Keeps what a whole configuration space says; one that was cut short or is all ones says nothing.
  void keep(const sysfs::Device& device, const sysfs::ConfigSpace& config);

 private:
  std::map<sysfs::PciAddress, std::pair<std::uint64_t, Number>> known_;  ///< with the inode of each
};

}  // namespace devbindd::api
