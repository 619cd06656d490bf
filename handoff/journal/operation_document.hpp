// SPDX-License-Identifier: Apache-2.0
// Reading back what json.hpp writes of an operation: a new daemon learns from it what an earlier one was about to do.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "handoff/model/operation.hpp"

namespace devbindd::handoff {

/// The operation whose document it is: to_json() gives the same again. What only its own daemon had to know is not in
/// it (the expected identities of a request, a VF's token). nullopt for a document that is not one of an operation.
std::optional<Operation> operation_from(const nlohmann::json& document);

/// The inverse of rfc3339(); nullopt for another text.
std::optional<TimePoint> time_from(const std::string& text);

/// nullopt for a document without an address.
std::optional<Transition> transition_from(const nlohmann::json& document);

/// Members that are missing or of another type are left out.
Requester requester_from(const nlohmann::json& document);

}  // namespace devbindd::handoff
