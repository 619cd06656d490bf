// The bodies about claims as typed requests, or the exact 400 that names the place. Not here: what becomes of a claim
// (handoff/claims.hpp).
#pragma once

#include "api/message.hpp"
#include "api/parameters.hpp"
#include "handoff/claim.hpp"
#include "handoff/claim_descriptors.hpp"
#include "handoff/dma_memory.hpp"

namespace devbindd::api {

/// {"devices": [...] or "selector": {...}, "driver", "owner", "ttl_seconds", "pid", "while_connected", "restore",
/// "labels", "accept_risks"}, and the Idempotency-Key header.
OrResponse<handoff::ClaimRequest> read_claim_request(const Request& request);

/// {"dma_memory_bytes": ..., "pid": ..., "address_spaces": ..., "way": ..., "raise": ...}
OrResponse<handoff::DmaMemoryQuestion> read_dma_memory(const Request& request);

/// {"way": "group" | "cdev"}, or {} for the best that this kernel has.
OrResponse<std::optional<handoff::DescriptorWay>> read_descriptor_way(const Request& request);

/// {"ttl_seconds": N}, or {} for the time that the claim was made with.
OrResponse<std::optional<std::chrono::seconds>> read_renewal(const Request& request);

}  // namespace devbindd::api
