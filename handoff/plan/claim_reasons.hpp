// SPDX-License-Identifier: Apache-2.0
// Reasons against a change that lie in what somebody else has decided of the device: a claim that holds it, that it
// gets no new ones, another tool that moves it. Pure.
#pragma once

#include <string>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That a claim holds the device.
Evidence claim_evidence(const sysfs::PciAddress& address, const std::string& claim);

/// claim.held
void check_claim(const MemberFacts& member, std::vector<Evidence>& evidence);
/// device.cordoned
void check_cordoned(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// tool.driverctl, tool.libvirt, as warnings: what is asked for is done, but does not last.
void check_other_tools(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
