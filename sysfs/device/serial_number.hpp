// SPDX-License-Identifier: Apache-2.0
// The serial number that a PCI Express function has in its configuration space.
#pragma once

#include <optional>
#include <string>

#include "sysfs/config_space/config_space.hpp"

namespace devbindd::sysfs {

/// "00-1b-21-ff-ff-a1-b2-c3", as lspci writes it; nullopt without the capability, or when it could not be read.
/// Source: PCI Express Base 6.0, 7.9.3.
std::optional<std::string> device_serial_number(const ConfigSpace& config);

}  // namespace devbindd::sysfs
