// SPDX-License-Identifier: Apache-2.0
// The number of a physical function's VFs as one change: which VFs go, which come and where, what each is bound to.
// Pure. Not here: moving VFs that stay, which is moving devices (plan.hpp); reasons against it (function_reasons.hpp).
#pragma once

#include "handoff/plan/plan.hpp"
#include "handoff/plan/step_builder.hpp"

namespace devbindd::handoff {

/// The physical function of a SetVfs, which is one of the members.
const sysfs::Device& physical_function(const ChangeRequest& request, const Facts& facts);

/// Where the first `count` VFs of a PF are; empty where its settings give no address for one of them.
std::vector<sysfs::PciAddress> function_addresses(const sysfs::PciAddress& physical, const sysfs::Sriov& sriov,
                                                  unsigned count);

/// Whether the change destroys the VFs that the PF has now: from n to m the kernel goes only by way of 0.
bool destroys_functions(const ChangeRequest& request, const sysfs::Device& physical);

/// The driver that a member (the PF or a VF) is to have afterwards, as far as the request says.
std::optional<std::string> wanted_function_driver(const ChangeRequest& request, const MemberFacts& member);

/// No VF is ever offered to a driver that it was not meant for: sriov_drivers_autoprobe is off while VFs come that are
/// to get a driver, and as it was afterwards. Source: drivers/pci/pci-driver.c, pci_device_can_probe.
void plan_functions(StepBuilder& builder, const ChangeRequest& request, const Facts& facts);

}  // namespace devbindd::handoff
