// SPDX-License-Identifier: Apache-2.0
// Whether a device that a claim gives back is any use to its driver and to the next one. Nothing here reads a device.
// Not here: what is done about it (claim_release.cpp), what is read of errors elsewhere
// (sysfs/device/device_facts.hpp).
#pragma once

#include <string>
#include <vector>

#include "handoff/model/claim.hpp"
#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/device/resource.hpp"

namespace devbindd::handoff {

/// What is wrong with it and what helps, in a sentence, or "":
/// - The kernel has given it up. Drivers refuse it until it is removed and found anew. Source: drivers/pci/pcie/err.c.
/// - It does not answer: all ones, or another vendor (the IDs of a VF are all ones; PCI Express Base 6.0, 9.3.4.1.1).
/// - It has no base addresses any more. The kernel's recovery resets everything below a port and leaves it to the
///   drivers to restore the devices; vfio-pci does so when the device was open, and at its last close. Looked at after
///   an error only: on hosts whose PCI addresses are not those of the processor a single one may well be 0. Source:
///   pci_bus_error_reset() in drivers/pci/pci.c, vfio_pci_core_disable() in drivers/vfio/pci/vfio_pci_core.c.
std::string fault_of(const ClaimedDevice& claimed, const sysfs::Device& device, const sysfs::ConfigSpace& config,
                     const std::vector<sysfs::Resource>& resources);

}  // namespace devbindd::handoff
