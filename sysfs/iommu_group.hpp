// One IOMMU group as sysfs shows it: its members, and whether VFIO could take it (viability).
// The number is given at boot in order of discovery: it is no identity, and changes from boot to boot.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/device.hpp"

namespace devbindd::sysfs {

struct IommuGroup {
  unsigned number = 0;
  std::vector<PciAddress> members;         ///< ascending; members that are no PCI devices are in other_members
  std::vector<std::string> other_members;  ///< names as the kernel gives them
  std::optional<std::string> type;         ///< "DMA", "DMA-FQ", "identity", ... (kernel 5.11)
  bool no_iommu = false;                   ///< a stand-in group of VFIO's no-IOMMU mode: no isolation at all

  bool operator==(const IommuGroup&) const = default;
};

/// A member that keeps VFIO from taking the group: bound to a driver that does not manage DMA itself.
struct ViabilityBlocker {
  PciAddress address;
  DriverName driver;

  bool operator==(const ViabilityBlocker&) const = default;
};

/// Errors: GroupNotFound, Kernel. Source: Documentation/ABI/testing/sysfs-kernel-iommu_groups.
Result<IommuGroup> read_iommu_group(const Tree& tree, unsigned number);

/// The numbers of all groups, ascending. Empty without an IOMMU.
Result<std::vector<unsigned>> list_iommu_groups(const Tree& tree);

/// The members that block the group, by the rule of kernel 5.19 and later (drivers/iommu/iommu.c,
/// iommu_group_claim_dma_owner): a member without driver is fine, and so is one whose driver sets driver_managed_dma.
std::vector<ViabilityBlocker> viability_blockers(const std::vector<Device>& members);

}  // namespace devbindd::sysfs
