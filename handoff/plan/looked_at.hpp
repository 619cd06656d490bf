// SPDX-License-Identifier: Apache-2.0
// The rules about the use of a device that the daemon itself looks at, and all that was looked at for one device.
// Not here: the rules that a worker runs (usage/usage_rules.hpp).
#pragma once

#include <string>

#include "handoff/model/rule_outcome.hpp"
#include "sysfs/device/device.hpp"
#include "vfio/holders.hpp"

namespace devbindd::handoff {

struct MemberFacts;

/// Whether a device on a VFIO driver is open; the Error of `holders` tells why nobody can say by whom.
RuleOutcome vfio_rule(const sysfs::Device& device, const sysfs::Result<std::vector<vfio::Holder>>& holders);
/// Whether a PF has VFs.
RuleOutcome functions_rule(const sysfs::Device& device);
/// Whether a claim, by its id, holds the device; "" for none.
RuleOutcome claims_rule(const std::string& claim);

/// All that was looked at for a device that a request changes.
LookedAt looked_at(const MemberFacts& member);

}  // namespace devbindd::handoff
