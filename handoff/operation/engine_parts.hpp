// SPDX-License-Identifier: Apache-2.0
// What the engine keeps of a request that is being looked into, and of an operation that runs; and what its parts
// share. Only for engine*.cpp.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/operation/engine.hpp"
#include "handoff/plan/transaction.hpp"

namespace devbindd::handoff {

struct Engine::Gathering {
  ChangeRequest request;
  Requester requester;
  Asker asker;
  bool dry_run = false;
  std::function<void(Decision)> decide;
  std::vector<Part> parts;
  int round = 0;
  std::uint64_t ended_at_start = 0;
  std::size_t waiting = 0;
  std::optional<sysfs::Error> error;
  std::string recovers;  ///< id of the unfinished operation of an earlier daemon, "" for a request
};

struct Engine::Running {
  std::shared_ptr<Operation> operation = std::make_shared<Operation>();
  DeviceLocks::Lock lock = {};
  std::vector<Original> new_originals;
  RunTask lane = {};  ///< its worker
  std::shared_ptr<Execution> execution;
  bool unfinished = false;  ///< of an earlier daemon: to be recovered
};

/// What stands in the lock table instead of an operation's id while a device is probed.
inline const std::string probe_holder = "an active probe";

/// The refusal for a request on something that `holder` works on.
Decision in_the_way(const std::string& holder);

inline bool is_id_change(ChangeKind kind) { return kind == ChangeKind::AddId || kind == ChangeKind::RemoveId; }

}  // namespace devbindd::handoff
