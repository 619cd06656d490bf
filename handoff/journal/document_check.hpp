// SPDX-License-Identifier: Apache-2.0
// Whether a document that the journal gave is what json.hpp writes. A row may be damaged, or be of another version, and
// nobody who reads a member of it looks again: what is shown has been checked here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace devbindd::handoff {

/// "" for an operation's document, else what is wrong with it, a sentence without its end.
std::string fault_of_operation(const nlohmann::json& document, const std::string& id);

/// The same of an entry of the audit.
std::string fault_of_audit(const nlohmann::json& document);

}  // namespace devbindd::handoff
