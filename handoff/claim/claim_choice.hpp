// SPDX-License-Identifier: Apache-2.0
// Which devices a claim gets. Those that are held, cordoned or worked on are passed by without any question; of the
// others a dry run of their binding tells whether they may be taken. Choosing and holding happen in one turn of the
// loop, so that no two claims choose the same device. Not here: what becomes of the chosen ones (claim_setup.hpp).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/claim/candidates.hpp"
#include "handoff/claim/claim_attempt.hpp"
#include "handoff/claim/claim_line.hpp"
#include "handoff/claim/claim_setup.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

class ClaimChoice {
 public:
  ClaimChoice(Engine& engine, const ClaimTable& claims, ClaimSetup& setup, LabelsOf labels_of);
  ClaimChoice(const ClaimChoice&) = delete;
  ClaimChoice& operator=(const ClaimChoice&) = delete;

  /// Finds the owners, chooses the devices, and has the claim made, when its turn has come.
  void add(const Attempt& attempt);

 private:
  void find_owners(const Attempt& attempt);
  bool has_left(const Attempt& attempt) const;
  void choose(const Attempt& attempt);
  std::optional<Refusal> take_named(ClaimAttempt& attempt, const sysfs::Inventory& inventory) const;
  void select(const Attempt& attempt, const sysfs::Inventory& inventory);
  bool look_further(ClaimAttempt& attempt, const std::string& pool) const;
  void hold(const Attempt& attempt);
  void look(const Attempt& attempt, const std::vector<const sysfs::Device*>& unknown, std::size_t wanted);
  void look_at(const Attempt& attempt, const sysfs::PciAddress& address);
  void look_at_facts(const Attempt& attempt, const sysfs::PciAddress& address);
  void try_binding(const Attempt& attempt, const sysfs::PciAddress& address);
  void note_finding(const Attempt& attempt, const sysfs::Device& device, Finding finding);
  void on_looked(const Attempt& attempt);
  void stop_looking(ClaimAttempt& attempt);
  void wake_waiting();
  void wake_next();

  Engine& engine_;
  const ClaimTable& claims_;
  ClaimSetup& setup_;
  LabelsOf labels_of_;
  ClaimLine making_;
  ClaimLine trying_;                      ///< dry runs
  std::set<std::string> looked_at_ = {};  ///< groups and devices, each for one claim
  std::vector<Attempt> waiting_ = {};     ///< for the looks of others at the devices that are left
  std::deque<Attempt> woken_ = {};        ///< they choose again, one a turn
  bool waking_ = false;
};

}  // namespace devbindd::handoff
