// SPDX-License-Identifier: Apache-2.0
// Which devices a request changes, and what is known of each without asking a worker: from the snapshot, the records of
// how devices were, the claims and the cordons. Not here: what workers find out (fact_gathering.hpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "handoff/operation/cordons.hpp"
#include "handoff/operation/device_locks.hpp"
#include "handoff/operation/original_bindings.hpp"

namespace devbindd::handoff {

/// Gives the id of the claim that holds a device, or "". Empty until there are claims.
struct ClaimLookup {
  std::function<std::string(const sysfs::Device&)> find = {};
  std::string operator()(const sysfs::Device& device) const { return find ? find(device) : std::string{}; }
};

class MemberSelection {
 public:
  MemberSelection(const EngineServices& services, const OperationTable& operations, const OriginalBindings& originals,
                  const Cordons& cordons, const ClaimLookup& claims)
      : services_(services), operations_(operations), originals_(originals), cordons_(cordons), claims_(claims) {}

  /// Fills in the members, bystanders and captured devices of each part, from the snapshot as it is. Errors:
  /// DeviceNotFound, IdentityMismatch, ConflictingItems. `tells`: whether an unreadable file of another tool is worth a
  /// line in the log.
  sysfs::Result<> select(std::vector<Part>& parts, bool tells) const;
  /// The operation's own devices, each with the state before it as what is to come back, whoever has a claim on it:
  /// what was begun is brought to its end.
  void select_unfinished(Part& part, const Operation& operation) const;
  /// Who has a claim on the members, and which of them are cordoned: both may change at any moment, no operation
  /// needed.
  void look_at_claims(std::vector<Part>& parts) const;
  /// What a change of these parts locks.
  LockKeys lock_keys(const std::vector<Part>& parts) const;

 private:
  sysfs::Result<> select(Part& part) const;
  void select_captured(Part& part) const;
  void select_functions(Part& part, const sysfs::Device& physical) const;
  void add_member(Part& part, const sysfs::Device& device) const;
  std::string other_claim(const ChangeRequest& request, const sysfs::Device& device) const;

  const EngineServices& services_;
  const OperationTable& operations_;
  const OriginalBindings& originals_;
  const Cordons& cordons_;
  const ClaimLookup& claims_;
};

}  // namespace devbindd::handoff
