// SPDX-License-Identifier: Apache-2.0
// A claim's lines in the audit: refused, made, over, descriptors handed over. What its operations change has lines of
// its own (engine.cpp). Not here: when these things happen (claims.hpp).
#pragma once

#include <functional>

#include "handoff/journal/journal.hpp"
#include "handoff/model/audit.hpp"
#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

/// Stores that this happened to the claim, in its present state and for its present reason, by whom. `done` gets
/// JournalFailed when it is not on disk.
void record(Journal& journal, const Claim& claim, AuditEvent event, const Requester& by,
            std::function<void(sysfs::Result<>)> done);

/// Stores that nobody got a claim, and why; the devices are those that the request named.
void record_refusal(Journal& journal, const ClaimRequest& request, const Refusal& refusal, const Requester& by,
                    std::function<void(sysfs::Result<>)> done);

}  // namespace devbindd::handoff
