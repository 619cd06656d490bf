// SPDX-License-Identifier: Apache-2.0
// The parts of examine() that judge the firmware's IOMMU tables.
#pragma once

#include "handoff/doctor/doctor.hpp"

namespace devbindd::handoff {

/// iommu.firmware_tables: whether they can be read, and are well-formed; nullopt where there is none.
std::optional<Check> check_firmware_tables(const HostFacts& facts);

/// iommu.firmware_memory: whether the kernel refuses groups to VFIO for memory of the firmware's.
Check check_firmware_memory(const HostFacts& facts);

}  // namespace devbindd::handoff
