// SPDX-License-Identifier: Apache-2.0
// What is said of a module that modprobe may not load: each kind of ban holds against something else, and is lifted in
// another way.
#pragma once

#include <string>
#include <vector>

#include "sysfs/kernel/module_bans.hpp"

namespace devbindd::handoff {

/// "blacklist vfio_pci (/etc/modprobe.d/a.conf line 3)", several with semicolons; "" when the place is not known.
std::string named(const std::vector<sysfs::ModuleBan>& bans);

/// What to do, a sentence for each kind of ban among them.
std::string step_against(const std::string& module, const std::vector<sysfs::ModuleBan>& bans);

}  // namespace devbindd::handoff
