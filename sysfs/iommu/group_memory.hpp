// SPDX-License-Identifier: Apache-2.0
// Which memory of the firmware's a group is bound to, and whether the kernel refuses it to VFIO for that.
#pragma once

#include <map>

#include "sysfs/firmware/firmware_structure.hpp"
#include "sysfs/iommu/iommu_group.hpp"

namespace devbindd::sysfs {

/// A region that the kernel maps or keeps out because the firmware says so: "direct", "direct-relaxable", "reserved".
bool may_be_of_firmware(const ReservedRegion& region);
/// The kernel refuses the group to VFIO: "Firmware has requested this device have a 1:1 IOMMU mapping".
/// Source: drivers/iommu/iommu.c; before 6.5 drivers/iommu/intel/iommu.c, "Device is ineligible ... RMRR".
bool keeps_vfio_out(const ReservedRegion& region);

/// The entry of the tables that the region comes from: it overlaps it and names one of the members. nullptr for none.
const FirmwareMemory* origin_of(const ReservedRegion& region, const std::vector<DevicePlace>& members,
                                const FirmwareDescription& firmware);

/// Why the kernel refuses the group, for a person; "" where no region keeps VFIO out.
std::string refusal_of(const IommuGroup& group, const std::vector<DevicePlace>& members,
                       const FirmwareDescription& firmware);

/// refusal_of() every group that has a function which the tables reserve memory for, where it is not "". A group whose
/// files cannot be read is left out.
std::map<unsigned, std::string> refused_groups(const Tree& tree, const FirmwareDescription& firmware);

}  // namespace devbindd::sysfs
