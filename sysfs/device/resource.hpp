// SPDX-License-Identifier: Apache-2.0
// The `resource` file of a PCI device: its BARs, its ROM, its VFs' BARs and a bridge's windows, as the kernel has them.
// Not here: what VFIO makes of them (vfio/passive_regions.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

enum class ResourceKind { Bar, Rom, VfBar, BridgeWindow };

/// One used line. Flags by include/linux/ioport.h.
struct Resource {
  ResourceKind kind = ResourceKind::Bar;
  unsigned index = 0;       ///< BAR or VF BAR 0..5, bridge window 0..3, ROM 0
  std::uint64_t start = 0;  ///< bus or CPU address as the kernel prints it
  std::uint64_t size = 0;   ///< bytes; of a VF BAR the aperture of all VFs together
  std::uint64_t flags = 0;  ///< as printed
  bool io = false;          ///< I/O ports, else memory
  bool prefetchable = false;
  bool is_64bit = false;
  bool unassigned = false;  ///< has a size, but the kernel found no address for it: not usable

  bool operator==(const Resource&) const = default;
};

/// Parses the file: lines 0-5 BARs, 6 ROM, then 7-12 VF BARs where the kernel has PCI_IOV (13 lines; 17 on bridges; 7
/// and 11 without it). Unused lines are left out. Error: Kernel, for a line that is no three hexadecimal numbers.
/// Source: drivers/pci/pci-sysfs.c, resource_show; include/linux/pci.h; include/linux/ioport.h.
Result<std::vector<Resource>> parse_resources(std::string_view text);

/// The BAR of that index, or nullptr.
const Resource* find_bar(const std::vector<Resource>& resources, unsigned index);
/// The expansion ROM, or nullptr.
const Resource* find_rom(const std::vector<Resource>& resources);

}  // namespace devbindd::sysfs
