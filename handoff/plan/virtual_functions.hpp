// SPDX-License-Identifier: Apache-2.0
// The number of a physical function's VFs as one change: which VFs go, which come and where, what each is bound to, and
// the evidence against it. Pure.
// Not here: moving VFs that stay, which is moving devices (plan.hpp).
#pragma once

#include "handoff/plan/plan.hpp"
#include "handoff/plan/step_builder.hpp"

namespace devbindd::handoff {

/// Whether the change destroys the VFs that the PF has now: from n to m the kernel goes only by way of 0.
bool destroys_functions(const ChangeRequest& request, const sysfs::Device& physical);

/// The driver that a member (the PF or a VF) is to have afterwards, as far as the request says.
std::optional<std::string> wanted_function_driver(const ChangeRequest& request, const MemberFacts& member);

/// No VF is ever offered to a driver that it was not meant for: sriov_drivers_autoprobe is off while VFs come that are
/// to get a driver, and as it was afterwards. Source: drivers/pci/pci-driver.c, pci_device_can_probe.
void plan_functions(StepBuilder& builder, const ChangeRequest& request, const Facts& facts);

/// What keeps the PF from having so many VFs.
std::vector<Evidence> function_evidence(const ChangeRequest& request, const Facts& facts);

}  // namespace devbindd::handoff
