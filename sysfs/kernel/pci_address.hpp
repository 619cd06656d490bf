// SPDX-License-Identifier: Apache-2.0
// A PCI address (BDF): domain, bus, slot and function of one PCI function.
// It is the name of a device in sysfs, not its identity: another device may sit there tomorrow.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

struct PciAddress {
  std::uint32_t domain = 0;  ///< 32 bits: VMD and Hyper-V number domains beyond four hex digits
  std::uint8_t bus = 0;
  std::uint8_t slot = 0;      ///< 0..31
  std::uint8_t function = 0;  ///< 0..7

  auto operator<=>(const PciAddress&) const = default;
};

/// Reads `dddd:bb:dd.f`: 4 to 8 hex digits of domain, upper or lower case; nothing may be missing and
/// nothing may follow, since a guess about a domain could name another device.
/// A domain of more than four digits has no leading zero, as the kernel prints it ("%04x").
/// Error: InvalidAddress. Source: drivers/pci/probe.c, pci_setup_device: "%04x:%02x:%02x.%d".
Result<PciAddress> parse_pci_address(std::string_view text);

/// The exact sysfs name: lower case, at least four digits of domain.
std::string to_string(const PciAddress& address);

}  // namespace devbindd::sysfs
