// SPDX-License-Identifier: Apache-2.0
// The way of every change: the plan alone for a dry run, a question before what is dangerous, progress, what came of
// it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {

struct Change {
  std::string method;
  std::string target;   ///< without dry_run and accept_risks
  nlohmann::json body;  ///< null: none
  Fields fields;        ///< besides Prefer
  /// Why somebody must be asked first, though no risk is accepted; "" for no reason.
  std::string danger;
  /// Whether an answer of 202 is an operation; that of a claim is the claim.
  bool is_operation = true;
  /// Shows a finished change to a person; gets the daemon's answer to it.
  std::function<void(const nlohmann::json& answer)> show;
};

/// Asks for the change, accepting the risks that the options name. Where it is refused for reasons that can all be
/// accepted and a person sits at the terminal, that person is asked. Ends 0, 2 for nothing to do, 4 where the kernel
/// waits.
Outcome perform(Session& session, const Change& change);

/// The bindings that a change answers with, as a table.
void show_bindings(const Output& output, const nlohmann::json& answer);

}  // namespace devbindd::clients
