// SPDX-License-Identifier: Apache-2.0
// The further names of network interfaces: longer, and several for one, such as those that udev gives by the slot.
// sysfs does not show them. Blocks as long as the kernel does, which holds a lock of the whole network while it changes
// interfaces: worker processes only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// From an interface's name to its alternative ones, in the kernel's order. Interfaces that have none are left out.
using AlternativeNames = std::map<std::string, std::vector<std::string>>;

/// Of the own network namespace. Errors: Kernel. Source: rtnetlink(7), IFLA_PROP_LIST (kernel 5.5).
Result<AlternativeNames> read_alternative_names();

}  // namespace devbindd::sysfs
