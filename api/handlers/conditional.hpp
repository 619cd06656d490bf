// SPDX-License-Identifier: Apache-2.0
// Answers that depend on a version: 304 instead of what the client has, an answer that waits for the next version
// (If-None-Match with Prefer: wait), a change only of what the client has seen (If-Match).
#pragma once

#include <functional>

#include "api/context/context.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

using Perform = std::function<void(const Request& request, Respond respond)>;

/// Answers a GET with its entity tag, or 304 when the client has that version. With `Prefer: wait=N` besides, it waits
/// so long for another one. `perform` answers as it is now, and may be called several times.
void answer_version(Context& context, const Request& request, Respond respond, const Perform& perform);

/// Calls `change` when what `look` answers now has a tag that If-Match names; otherwise answers 412
/// precondition_failed, with the tag that it has. `look` is the GET of the same path; empty: there is none, which is
/// 400. What is changed between that look and the change itself refuses the change too
/// (ChangeRequest::unless_changed_since).
void change_version(Context& context, const Request& request, Respond respond, const Perform& look,
                    const Perform& change);

}  // namespace devbindd::api
