// SPDX-License-Identifier: Apache-2.0
// The devices of this host that fit a selector, sorted by whether a claim may have them, and the best of them. Nothing
// here asks anybody. Not here: what is asked of those that are not known yet (claim_choice.hpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/claim/claim_attempt.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

/// The IOMMU group's number, or the device's address where it has none: what is looked at as one.
std::string look_key(const sysfs::Device& device);

/// The devices that fit of one pool: only those of one may go together.
struct Pool {
  struct Candidate {
    int rank = 0;
    const sysfs::Device* device = nullptr;
  };
  std::vector<Candidate> good = {};                ///< may be taken, the best first
  std::vector<const sysfs::Device*> unknown = {};  ///< not looked at yet
  bool others_look = false;                        ///< some are looked at for another claim, which may take them
};

struct Candidates {
  std::map<std::string, Pool> pools = {};  ///< by the root port, where all are to be below one, else one: ""
  Selection selection = {};                ///< what fits, and why the rest may not be taken
};

/// Sorts all devices that fit the attempt's selector. `looked_at`: the keys of those that are looked at for other
/// claims now.
Candidates find_candidates(const Engine& engine, const ClaimTable& claims, const LabelsOf& labels_of,
                           const ClaimAttempt& attempt, const std::set<std::string>& looked_at,
                           const sysfs::Inventory& inventory);

/// How much the best `count` of the pool are worth avoiding; nullopt when there are not so many.
std::optional<int> rank_of(const Pool& pool, std::size_t count);

}  // namespace devbindd::handoff
