// SPDX-License-Identifier: Apache-2.0
// What a claim asks of the engine: the binding of its devices, and at its end the change back. Pure functions. Not
// here: when (claim_setup.hpp, claim_release.hpp).
#pragma once

#include <vector>

#include "handoff/claim/claim_run.hpp"
#include "handoff/model/claim.hpp"
#include "sysfs/device/inventory.hpp"
#include "sysfs/kernel/kernel_module.hpp"

namespace devbindd::handoff {

/// The device with all that share its IOMMU group, without bridges; none when there is no device.
std::vector<sysfs::Device> claimable_group(const sysfs::Inventory& inventory, const sysfs::PciAddress& address);

/// The driver that the claim wants for a group, or the best of its devices where they agree, else the one that takes
/// all: a group goes to one driver.
sysfs::DriverName driver_for_group(const sysfs::ModuleIndex& modules, const ClaimRequest& request,
                                   const std::vector<sysfs::Device>& group);

/// Binds the claim's devices: one item for each group; a device without one is its own.
ChangeRequest binding_of(const Claim& claim);

/// What the claim's own operation changed goes back to how it was before; what was on VFIO before it stays there.
/// Without items when nothing is to change. Devices that are gone, or another one in their place, are left, and so are
/// those with a fault: a driver's probe would hang on them.
ChangeRequest give_back_of(const Claim& claim, const sysfs::Inventory& inventory, const DeviceFaults& faults);

}  // namespace devbindd::handoff
