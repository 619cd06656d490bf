// SPDX-License-Identifier: Apache-2.0
// The way of every write from a typed request to its answer: dry run, refusal, waiting for the operation, 200 or 202.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "api/context/context.hpp"
#include "api/http/message.hpp"
#include "api/http/preferences.hpp"

namespace devbindd::api {

/// Makes the body of a 200 when the wanted state is there: `changed` tells whether an operation was needed, `operation`
/// is its id or "".
using RenderResult = std::function<void(bool changed, const std::string& operation, Respond)>;

/// Submits the change, waits as long as the Prefer header says (`respond-async`, `wait=SECONDS`) or 30 s, and answers:
/// 200 with the result, 202 with Location when it is not finished or blocked, or the problem.
void submit_change(Context& context, const Request& request, handoff::ChangeRequest change, bool dry_run,
                   RenderResult render, Respond respond);

/// What a dry run answers.
nlohmann::json preview_json(const handoff::Preview& preview);

/// Answers as `respond`, and says in Preference-Applied what of the Prefer header was followed.
Respond telling_applied(const Preferences& preferences, Respond respond);

}  // namespace devbindd::api
