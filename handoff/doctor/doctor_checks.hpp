// SPDX-License-Identifier: Apache-2.0
// The checks that examine() puts in order, one function for each finding. All are pure: they judge facts, and read
// nothing.
#pragma once

#include "handoff/doctor/doctor.hpp"

namespace devbindd::handoff {

// The kernel. doctor_host.cpp
Check check_kernel_version(const HostFacts& facts);  ///< kernel.version
Check check_lockdown(const HostFacts& facts);        ///< kernel.lockdown
Check check_sysfs(const HostFacts& facts);           ///< kernel.sysfs

// The IOMMU. doctor_iommu.cpp
Check check_iommu(const HostFacts& facts);                ///< iommu.present
Check check_interrupt_remapping(const HostFacts& facts);  ///< iommu.interrupt_remapping
Check check_default_domain(const HostFacts& facts);       ///< iommu.default_domain
Check check_acs_override(const HostFacts& facts);         ///< iommu.acs_override
Check check_groups(const HostFacts& facts);               ///< iommu.groups

// VFIO. doctor_vfio.cpp
Check check_modules(const HostFacts& facts);            ///< vfio.modules
Check check_iommufd(const HostFacts& facts);            ///< vfio.iommufd
Check check_blacklist(const HostFacts& facts);          ///< vfio.blacklist
Check check_unsafe_interrupts(const HostFacts& facts);  ///< vfio.unsafe_interrupts
Check check_no_iommu(const HostFacts& facts);           ///< vfio.no_iommu
Check check_boot_ids(const HostFacts& facts);           ///< vfio.ids

// Drivers and devices. doctor_devices.cpp
Check check_uio(const HostFacts& facts);         ///< drivers.uio
Check check_driverless(const HostFacts& facts);  ///< devices.driverless
Check check_overrides(const HostFacts& facts);   ///< devices.overrides
Check check_unbinding(const HostFacts& facts);   ///< devices.unbinding

// Memory, and devbindd's own state. doctor_host.cpp
Check check_locked_memory(const HostFacts& facts);  ///< memory.locked
Check check_hugepages(const HostFacts& facts);      ///< memory.hugepages
Check check_damaged_rows(const HostFacts& facts);   ///< state.damaged

// The firmware's IOMMU tables. doctor_firmware.cpp

/// iommu.firmware_tables: whether they can be read, and are well-formed; nullopt where there is none.
std::optional<Check> check_firmware_tables(const HostFacts& facts);
Check check_firmware_memory(const HostFacts& facts);  ///< iommu.firmware_memory

}  // namespace devbindd::handoff
