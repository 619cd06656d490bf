// SPDX-License-Identifier: Apache-2.0
// An operation followed step by step.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {

/// Whether steps are shown: asked for, or standard error is a terminal.
bool shows_progress(const Session& session);

/// Tells each step as it is done, until the operation is over (Done), or it has waited as long as the options say
/// (Blocked, after telling for whom). An operation that fails is a Failure with its error.
Result<ExitStatus> follow_operation(Session& session, nlohmann::json operation);

/// What a finished operation has left: `devices`, the bindings of those that are there.
Result<nlohmann::json> state_after(Session& session, const nlohmann::json& operation);

}  // namespace devbindd::clients
