// SPDX-License-Identifier: Apache-2.0
// What a caller says the device at an address is: another one may sit there since he looked (hot-plug, new bus numbers
// after a boot).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sysfs/device/device.hpp"

namespace devbindd::handoff {

/// Members that are not set are not compared.
struct Identity {
  std::optional<std::uint16_t> vendor = {};
  std::optional<std::uint16_t> device = {};
  std::optional<std::uint16_t> subsystem_vendor = {};
  std::optional<std::uint16_t> subsystem_device = {};
  std::optional<std::string> serial = {};  ///< the PCI Express Device Serial Number: "00-1b-21-ff-ff-a1-b2-c3"

  bool operator==(const Identity&) const = default;
};

/// One sentence on the first difference between what is expected and what is there, or "". The serial number is
/// compared by mismatch_of_serial(), since it takes a read of the configuration space.
std::string mismatch(const Identity& expected, const sysfs::Device& device);

/// The same for the serial number; `found` is nullopt for a device without one.
std::string mismatch_of_serial(const Identity& expected, const std::optional<std::string>& found);

}  // namespace devbindd::handoff
