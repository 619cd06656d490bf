// SPDX-License-Identifier: Apache-2.0
// What a decision needs to know of the host and of its drivers, read without a worker: module parameters, the read-only
// mount, and whether a driver is registered or can be loaded.
#pragma once

#include <vector>

#include "handoff/operation/engine_services.hpp"
#include "handoff/plan/transaction.hpp"

namespace devbindd::handoff {

/// The facts of the host alone: no members, no drivers.
Facts host_facts(const EngineServices& services);

/// Fills in the drivers that each part may need; each is looked up once. Error: Kernel, when the index of modules
/// cannot be read.
sysfs::Result<> look_up_drivers(const EngineServices& services, std::vector<Part>& parts);

}  // namespace devbindd::handoff
