// SPDX-License-Identifier: Apache-2.0
// What became of a request, and the pure function that says so once the facts are known. Not here: how the facts are
// found (fact_gathering.hpp), how a plan is carried out (operation_runs.hpp).
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "handoff/model/selection.hpp"
#include "handoff/plan/transaction.hpp"

namespace devbindd::handoff {

struct Refusal {
  sysfs::Error error;
  std::vector<Evidence> evidence;           ///< what says no, for ErrorCode::Refused
  std::string operation;                    ///< id of the one in the way, for OperationInProgress
  std::vector<LookedAt> looked_at = {};     ///< what was looked at before the refusal
  std::optional<Selection> selection = {};  ///< of a claim by selector that finds too few
};
struct Preview {
  Plan plan;
  std::vector<Evidence> refused_by;         ///< empty: the request would be carried out
  std::optional<Selection> selection = {};  ///< as in Refusal
};
struct Unchanged {
  Plan plan;  ///< without steps: the wanted state is there already
};
struct Accepted {
  std::string operation;
};

using Decision = std::variant<Refusal, Preview, Unchanged, Accepted>;

/// What stands in the lock table instead of an operation's id while a device is probed.
inline const std::string probe_holder = "an active probe";

/// A refusal for an error alone.
Refusal refusal_for(sysfs::Error error);
/// The refusal for a request on something that `holder` works on.
Refusal in_the_way(const std::string& holder);

/// Pure. The plan that is to be carried out, with at least one step, or the answer: a preview for a dry run, a refusal,
/// or Unchanged where there is nothing to do.
std::expected<Plan, Decision> decide(const ChangeRequest& request, const std::vector<Part>& parts, bool dry_run);

}  // namespace devbindd::handoff
