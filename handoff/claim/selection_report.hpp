// SPDX-License-Identifier: Apache-2.0
// Why a selector does not get as many devices as it wants, in words. Pure. Not here: which devices those are
// (claim_choice.hpp).
#pragma once

#include <vector>

#include "handoff/claim/claim_outcome.hpp"
#include "handoff/model/selection.hpp"
#include "handoff/model/selector.hpp"

namespace devbindd::handoff {

/// The refusal NotEnoughDevices with its numbers, what else was found, and what helps.
Refusal not_enough(const Selection& selection, const Selector& selector, const std::vector<Evidence>& found);

}  // namespace devbindd::handoff
