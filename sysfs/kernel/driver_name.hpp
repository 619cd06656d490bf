// SPDX-License-Identifier: Apache-2.0
// The name of a PCI driver as it stands below /sys/bus/pci/drivers, checked so that it can be put
// into a path. It is the driver's name, which may differ from its module's (mlx5_vfio_pci, xe-vfio-pci).
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

class DriverName {
 public:
  /// Accepts 1 to 63 printable ASCII characters without '/', and neither "." nor ".."; blanks only inside,
  /// since driver_override keeps a blank at the end and then matches nothing. Error: InvalidName.
  static Result<DriverName> parse(std::string_view text);

  const std::string& text() const { return text_; }
  auto operator<=>(const DriverName&) const = default;

 private:
  explicit DriverName(std::string_view text) : text_(text) {}
  std::string text_;
};

/// Whether drivers of this name hand their devices to user space through VFIO: vfio-pci and the variant
/// drivers (mlx5_vfio_pci, xe-vfio-pci, ...), by the kernel's naming convention (drivers/vfio/pci).
bool is_vfio_driver(const DriverName& name);

/// Whether the driver lets a group stay viable (driver_managed_dma): VFIO drivers, pci-stub, pcieport.
/// Source: drivers/iommu/iommu.c and the drivers that set .driver_managed_dma (kernel 5.19 and later).
bool manages_dma(const DriverName& name);

}  // namespace devbindd::sysfs
