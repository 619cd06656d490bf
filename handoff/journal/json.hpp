// SPDX-License-Identifier: Apache-2.0
// Operations, plans and evidence as JSON: the documents that the journal keeps and that the API shows, the same in
// both.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "handoff/model/audit.hpp"
#include "handoff/model/operation.hpp"

namespace devbindd::handoff {

nlohmann::json to_json(const Evidence& evidence);
nlohmann::json to_json(const std::vector<Evidence>& evidence);
/// {"device", "found": [rule names], "nothing": [...], "not_visible": [{"rule", "reason"}]}
nlohmann::json to_json(const LookedAt& looked);
nlohmann::json to_json(const std::vector<LookedAt>& looked);
/// {"rule", "source", "outcome", "reason"}
nlohmann::json to_json(const RuleOutcome& rule);
nlohmann::json to_json(const Requester& requester);
nlohmann::json to_json(const vfio::Holder& holder);
nlohmann::json to_json(const PlannedStep& step);
nlohmann::json to_json(const Transition& transition);
nlohmann::json to_json(const OperationError& error);
nlohmann::json to_json(const Operation& operation);
nlohmann::json to_json(const AuditEntry& entry);

/// RFC 3339 in UTC with milliseconds: "2026-11-22T12:34:56.789Z".
std::string rfc3339(TimePoint time);

/// Text of a document. Bytes that are no UTF-8 (sysfs may hold any) become U+FFFD instead of an exception.
std::string dump(const nlohmann::json& document, int indent = -1);

}  // namespace devbindd::handoff
