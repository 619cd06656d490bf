// SPDX-License-Identifier: Apache-2.0
// The reasons against a change: facts in, evidence out. Pure. Every code has its rule in one function, in the *_reasons
// file of what the reason lies in.
#pragma once

#include <vector>

#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// All evidence about the request, blocking or only a warning, in the order of the members.
std::vector<Evidence> verdict(const ChangeRequest& request, const Facts& facts);

}  // namespace devbindd::handoff
