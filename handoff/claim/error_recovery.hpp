// SPDX-License-Identifier: Apache-2.0
// The kernel's own recovery of claimed devices from errors (AER, DPC, EEH), as its uevents tell. Source:
// pci_uevent_ers() in drivers/pci/pci-driver.c.
#pragma once

#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_table.hpp"
#include "sysfs/device/inventory.hpp"
#include "sysfs/kernel/uevent.hpp"

namespace devbindd::handoff {

/// Notes in the claims what the events say of their devices, and stores them.
void note_error_recovery(ClaimTable& claims, const ClaimRecords& records, const sysfs::Inventory& inventory,
                         const sysfs::UeventBatch& batch);

/// Whether the kernel has begun to recover a device of the claim, and has not ended.
bool is_being_recovered(const Claim& claim, const sysfs::Inventory& inventory);

}  // namespace devbindd::handoff
