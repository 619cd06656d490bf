// SPDX-License-Identifier: Apache-2.0
// Refusals in the audit: who asked for what, and why not.
#pragma once

#include <functional>

#include "handoff/model/audit.hpp"
#include "handoff/operation/decision.hpp"
#include "handoff/operation/engine_services.hpp"

namespace devbindd::handoff {

/// `decide`, with a line of the audit before it for a refusal: it is on disk before it is told. One for which the
/// journal itself is the reason goes without.
std::function<void(Decision)> audited(const EngineServices& services, const ChangeRequest& request,
                                      const Requester& requester, std::function<void(Decision)> decide);

/// The line of a refusal, without what was asked for.
AuditEntry entry_of(const Refusal& refusal, const Requester& requester);

}  // namespace devbindd::handoff
