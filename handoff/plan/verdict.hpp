// SPDX-License-Identifier: Apache-2.0
// The reasons against a change: facts in, evidence out. Pure. Every code has its rule in one function of verdict.cpp.
#pragma once

#include <vector>

#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That somebody has a VFIO-bound device open, or nullopt.
std::optional<Evidence> open_evidence(const sysfs::Device& device, const std::vector<vfio::Holder>& holders);

/// That a driver of the host, forced onto a device that it does not list, may crash the kernel: an override makes it
/// take the device, with an empty entry of its table (drivers/pci/pci-driver.c, pci_match_device). `modules` are those
/// that list the device. nullopt where the driver lists it, is meant for any device, or is not there anyway.
std::optional<Evidence> match_evidence(const sysfs::DriverName& driver, const sysfs::PciAddress& address,
                                       const std::vector<std::string>& modules, const Facts& facts);

/// That vfio-pci refuses devices of this kind as unsafe, or nullopt.
std::optional<Evidence> denylist_evidence(const sysfs::PciAddress& address, std::uint16_t vendor, std::uint16_t device);

/// That the device is a bridge, which cannot be handed to user space.
Evidence bridge_evidence(const sysfs::PciAddress& address);

/// That the device is a part of the chipset, which a selector takes neither by itself nor along with another.
Evidence system_evidence(const sysfs::Device& device);

/// That a claim holds the device.
Evidence claim_evidence(const sysfs::PciAddress& address, const std::string& claim);

/// That the kernel has no reset for the device alone, which a claim requires.
/// What keeps every write from the kernel: the mount point that is read-only.
Evidence read_only_evidence(const std::string& point);
Evidence no_reset_evidence(const sysfs::PciAddress& address);

/// That a PF has VFs, or nullopt.
std::optional<Evidence> functions_evidence(const sysfs::Device& device);
/// That VFs of a PF are open: one for each.
std::vector<Evidence> open_function_evidence(const sysfs::Device& device, const std::vector<OpenFunction>& functions);

/// All evidence about the request, blocking or only a warning, in the order of the members.
std::vector<Evidence> verdict(const ChangeRequest& request, const Facts& facts);

}  // namespace devbindd::handoff
