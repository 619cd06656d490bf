// SPDX-License-Identifier: Apache-2.0
// Reasons against a change that lie in the driver that is to have a device: it is not there, it does not list the
// device, it would take others along. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That a driver of the host, forced onto a device that it does not list, may crash the kernel: an override makes it
/// take the device, with an empty entry of its table (drivers/pci/pci-driver.c, pci_match_device). `modules` are those
/// that list the device. nullopt where the driver lists it, is meant for any device, or is not there anyway.
std::optional<Evidence> match_evidence(const sysfs::DriverName& driver, const sysfs::PciAddress& address,
                                       const std::vector<std::string>& modules, const Facts& facts);

/// driver.absent, driver.blacklisted; of no device where `address` is null.
void check_driver(const std::string& driver, const sysfs::PciAddress* address, const Facts& facts,
                  std::vector<Evidence>& evidence);
/// driver.no_match
void check_match(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence);
/// driver.id_captures
void check_captures(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
