// SPDX-License-Identifier: Apache-2.0
// A claim as the journal keeps it, and back. GET /v1/claims shows the same with what is known now
// (api/render/render_claim.hpp).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "handoff/model/claim.hpp"

namespace devbindd::handoff {

nlohmann::json to_json(const ClaimRequest& request);
nlohmann::json to_json(const Claim& claim);
/// Whether two requests ask for the same, as far as a document shows it.
bool same_request(const ClaimRequest& left, const ClaimRequest& right);

/// nullopt for a document that is not one of a claim.
std::optional<Claim> claim_from(const nlohmann::json& document);

}  // namespace devbindd::handoff
