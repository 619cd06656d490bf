// SPDX-License-Identifier: Apache-2.0
// A claim as JSON: what was asked for, what it holds, and with it all that a consumer needs to name its devices.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/context/context.hpp"
#include "api/render/handover.hpp"
#include "handoff/claim/dma_memory.hpp"
#include "handoff/model/claim.hpp"

namespace devbindd::api {

nlohmann::json render_selector(const handoff::Selector& selector);

/// Error: Kernel, when the nodes cannot be read.
sysfs::Result<nlohmann::json> render_claim(Context& context, const handoff::Claim& claim);

/// What the consumer of an active claim gets, as the kernel has it now. Error: Kernel.
sysfs::Result<Handover> handover_of(handoff::Engine& engine, const handoff::Claim& claim);

/// What POST /v1/claims/{id}/memlock answers.
nlohmann::json render_dma_memory(const handoff::DmaMemoryAnswer& answer);

}  // namespace devbindd::api
