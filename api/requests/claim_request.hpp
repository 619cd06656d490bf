// SPDX-License-Identifier: Apache-2.0
// The bodies about claims as typed requests. What is wrong is added to the mistakes; what is returned then is not to be
// used. Not here: what becomes of a claim (handoff/claim/claims.hpp).
#pragma once

#include "api/http/message.hpp"
#include "api/http/parameters.hpp"
#include "handoff/claim/claim_descriptors.hpp"
#include "handoff/claim/dma_memory.hpp"
#include "handoff/model/claim.hpp"

namespace devbindd::api {

/// {"devices": [...] or "selector": {...}, "driver", "owner", "ttl_seconds", "pid", "while_connected", "restore",
/// "labels", "vf_token", "accept_risks"}, and the Idempotency-Key header.
handoff::ClaimRequest read_claim_request(const Request& request, Mistakes& mistakes);

/// {"dma_memory_bytes": ..., "pid": ..., "address_spaces": ..., "way": ..., "raise": ...}
handoff::DmaMemoryQuestion read_dma_memory(const Request& request, Mistakes& mistakes);

/// {"way": "group" | "cdev"}, or {} for the best that this kernel has.
std::optional<handoff::DescriptorWay> read_descriptor_way(const Request& request, Mistakes& mistakes);

/// {"ttl_seconds": N}, or {} for the time that the claim was made with.
std::optional<std::chrono::seconds> read_renewal(const Request& request, Mistakes& mistakes);

}  // namespace devbindd::api
