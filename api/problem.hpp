// Errors as RFC 9457 problem details. The only place that knows which cause has which HTTP status.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/message.hpp"
#include "handoff/engine.hpp"
#include "sysfs/result.hpp"

namespace devbindd::api {

/// The status of a cause. Exhaustive over ErrorCode.
int status_of(sysfs::ErrorCode code);

/// A problem with the members type, title, status, code, detail, instance and whatever `extra` (an object) adds.
Response problem(const Request& request, int status, std::string_view code, const std::string& detail,
                 const nlohmann::json& extra);
Response problem(const Request& request, int status, std::string_view code, const std::string& detail);

/// 400 that names the place in the request: a JSON pointer into the body ("/driver") or "?name" for a query parameter.
/// `others`: further places with a sentence each.
Response bad_request(const Request& request, std::string_view code, const std::string& pointer,
                     const std::string& detail, const std::vector<std::pair<std::string, std::string>>& others = {});

Response problem_of(const Request& request, const sysfs::Error& error);
Response problem_of(const Request& request, const handoff::Refusal& refusal);

/// The failure of an operation that ran: its errno, meaning, kernel log and whether the earlier state is back.
Response problem_of_operation(const Request& request, const nlohmann::json& operation);

}  // namespace devbindd::api
