// SPDX-License-Identifier: Apache-2.0
// What becomes of a request for a claim. Passive.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "handoff/operation/decision.hpp"

namespace devbindd::handoff {

struct ClaimMade {
  std::string id;
  bool existing = false;  ///< by the same idempotency key, from before
};
/// The operation that was to bind the devices has failed; they are as they were.
struct ClaimFailed {
  std::string operation;
};
using ClaimOutcome = std::variant<Refusal, ClaimFailed, Preview, ClaimMade>;
using ClaimAnswer = std::function<void(ClaimOutcome)>;

/// A refusal without evidence.
inline Refusal refusal(sysfs::ErrorCode code, std::string message) { return {{code, std::move(message)}, {}, {}}; }

}  // namespace devbindd::handoff
