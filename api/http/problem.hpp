// SPDX-License-Identifier: Apache-2.0
// Errors as RFC 9457 problem details. The only place that knows which cause has which HTTP status.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "api/http/message.hpp"
#include "api/http/mistakes.hpp"
#include "handoff/operation/engine.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

/// The status of a cause. Exhaustive over ErrorCode.
int status_of(sysfs::ErrorCode code);

/// A problem with the members type, title, status, code, detail, instance and whatever `extra` (an object) adds.
Response problem(const Request& request, int status, std::string_view code, const std::string& detail,
                 const nlohmann::json& extra);
Response problem(const Request& request, int status, std::string_view code, const std::string& detail);

/// 400 that names every place in the request where something is wrong; the first has the code of the whole. 404 where
/// nothing is wrong but that a device or a group which it names does not exist.
Response bad_request(const Request& request, std::vector<Mistake> mistakes);
Response bad_request(const Request& request, std::string_view code, const std::string& pointer,
                     const std::string& detail);

Response problem_of(const Request& request, const sysfs::Error& error);
Response problem_of(const Request& request, const handoff::Refusal& refusal);

/// {"wanted", "fit", "free", "not_free": [...]}: what a selector that finds too few devices found.
nlohmann::json render_selection(const handoff::Selection& selection);

/// The failure of an operation that ran: its errno, meaning, kernel log and whether the earlier state is back.
Response problem_of_operation(const Request& request, const handoff::Operation& operation);

}  // namespace devbindd::api
