// SPDX-License-Identifier: Apache-2.0
// Why something was refused or failed, and what waits, as paragraphs for a person.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "clients/text/terminal.hpp"

namespace devbindd::clients {

/// One reason against a change: what was found, who does it, what to do.
std::string evidence_text(const nlohmann::json& evidence, const Terminal& terminal);

/// A problem document or the error of an operation: what happened, each reason with its next step, what could be
/// accepted.
std::string problem_text(const nlohmann::json& problem, const Terminal& terminal);

/// What an operation that is not over waits for, and that it goes on by itself.
std::string waiting_text(const nlohmann::json& operation, const Terminal& terminal);

/// The same of a claim that is being made or ended.
std::string waiting_claim_text(const nlohmann::json& claim, const Terminal& terminal);

/// A write as a shell would do it: echo VALUE > PATH.
std::string step_text(const nlohmann::json& step);

/// "hold_vfio (pid 286, /dev/vfio/26)", with commas between several.
std::string holders_text(const nlohmann::json& holders);

}  // namespace devbindd::clients
