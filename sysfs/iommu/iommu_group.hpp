// SPDX-License-Identifier: Apache-2.0
// One IOMMU group as sysfs shows it: its members, and whether VFIO could take it (viability).
// The number is given at boot in order of discovery: it is no identity, and changes from boot to boot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/device/device.hpp"

namespace devbindd::sysfs {

/// A range of I/O addresses that the group's devices cannot use for DMA.
struct ReservedRegion {
  std::uint64_t start = 0;
  std::uint64_t end = 0;  ///< inclusive
  std::string kind;       ///< "direct", "direct-relaxable", "reserved", "msi"

  bool operator==(const ReservedRegion&) const = default;
};

struct IommuGroup {
  unsigned number = 0;
  std::vector<PciAddress> members;         ///< ascending; members that are no PCI devices are in other_members
  std::vector<std::string> other_members;  ///< names as the kernel gives them
  std::optional<std::string> type;         ///< "DMA", "DMA-FQ", "identity", ... (kernel 5.11)
  std::vector<ReservedRegion> reserved_regions;
  bool no_iommu = false;  ///< a stand-in group of VFIO's no-IOMMU mode: no isolation at all

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

/// Of one function; nullopt where it has none.
std::optional<unsigned> group_number_of(const Tree& tree, const PciAddress& address);

/// The numbers of all groups, ascending. Empty without an IOMMU.
Result<std::vector<unsigned>> list_iommu_groups(const Tree& tree);

/// How the running kernel decides whether VFIO may have a group.
enum class ViabilityRule {
  DmaOwnership,  ///< since 5.19: a member's driver must be none, or one that sets driver_managed_dma
  KnownDrivers,  ///< before: none, a VFIO driver, pci-stub, or any driver on a bridge
};

/// By the release in /proc/sys/kernel/osrelease: nothing else tells the two apart. DmaOwnership when it is unreadable.
ViabilityRule viability_rule(const Tree& tree);

/// The members that block the group. Source: drivers/iommu/iommu.c, iommu_group_claim_dma_owner; before 5.19
/// drivers/vfio/vfio.c, vfio_dev_viable.
std::vector<ViabilityBlocker> viability_blockers(const std::vector<Device>& members,
                                                 ViabilityRule rule = ViabilityRule::DmaOwnership);

/// "0x... 0x... kind" for each line of `reserved_regions` (kernel 4.11); lines that make no sense are left out.
std::vector<ReservedRegion> parse_reserved_regions(std::string_view text);

}  // namespace devbindd::sysfs
