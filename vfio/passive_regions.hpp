// SPDX-License-Identifier: Apache-2.0
// What VFIO would report about a device, derived from its `resource` file and config space without opening it. Pure.
// It differs from the kernel's own answer (probe.hpp) only in what can be known by opening alone: whether a ROM has
// valid content, whether a BAR smaller than a page can be mapped, whether MSI-X vectors can be added later, the VGA
// region.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/resource.hpp"
#include "vfio/region.hpp"

namespace devbindd::vfio {

/// A table of MSI-X within a BAR.
struct MsixTable {
  unsigned bar = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  ///< bytes

  bool operator==(const MsixTable&) const = default;
};

struct PassiveReport {
  std::vector<Region> regions;  ///< indices 0 to 8
  std::vector<Irq> irqs;        ///< indices 0 to 4
  std::optional<MsixTable> msix_table;
  std::optional<MsixTable> msix_pending;  ///< the pending bit array
  std::string unknown_because;            ///< why the interrupts and the MSI-X tables are not known; "" when they are
};

/// What config space does not tell (the first 64 bytes alone, all ones, a broken list of capabilities) is not made up:
/// the counts of such interrupts are 0, and unknown_because says why.
/// A virtual function has no INTx for VFIO, whatever its interrupt pin register says.
/// Source: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_ioctl_get_region_info and vfio_pci_get_irq_count.
PassiveReport passive_report(const std::vector<sysfs::Resource>& resources, const sysfs::ConfigSpace& config,
                             bool virtual_function);

}  // namespace devbindd::vfio
