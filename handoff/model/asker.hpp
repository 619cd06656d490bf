// SPDX-License-Identifier: Apache-2.0
// For whom a worker does a task: the workers are shared out by it (worker_share.hpp). Passive.
#pragma once

#include <string>

namespace devbindd::handoff {

/// Without a name it is devbindd itself, for what it has accepted already: the end of a claim, a recovery.
struct Asker {
  std::string name = {};    ///< one for each user: "uid 1000", "tcp"
  bool may_change = false;  ///< its questions do not wait behind those of callers who may only read

  bool operator==(const Asker&) const = default;
};

}  // namespace devbindd::handoff
