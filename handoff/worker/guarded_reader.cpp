// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/guarded_reader.hpp"

#include <cerrno>

namespace devbindd::handoff {

std::string busy_sentence(const std::string& what, const std::optional<sysfs::PciAddress>& address) {
  const auto whom = address ? " with " + sysfs::to_string(*address) : std::string{};
  return "the kernel is busy" + whom + ": reading " + what + " takes too long";
}

sysfs::Error error_about(const std::optional<sysfs::PciAddress>& address, sysfs::Error error) {
  if (!address || (error.errno_value != ENOENT && error.errno_value != ENODEV)) return error;
  return {sysfs::ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*address), 0,
          std::move(error.path)};
}

}  // namespace devbindd::handoff
