// SPDX-License-Identifier: Apache-2.0
// What is kept of claims on disk: the claim itself, its lines in the audit. Not here: when (claim_setup.hpp,
// claim_release.hpp), what a line says (claim_audit.hpp).
#pragma once

#include <functional>
#include <string>

#include "handoff/model/audit.hpp"
#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

class ClaimRecords {
 public:
  explicit ClaimRecords(const Engine::Services& services) : services_(services) {}

  /// Stores the claim as it is now. `done` gets JournalFailed when it is not on disk.
  void store(const Claim& claim, std::function<void(sysfs::Result<>)> done) const;
  /// The same, where a failure changes nothing but the log.
  void store(const Claim& claim) const;

  /// A line in the audit, by whoever made the claim or ended it.
  void audit(const Claim& claim, AuditEvent event) const;
  /// That nobody got the claim. `done` comes when the line is on disk, or cannot be: the log then says so.
  void audit(const ClaimRequest& request, const Refusal& refusal, const Requester& by,
             const std::function<void()>& done) const;

  /// A line in the log when it has failed.
  void warn(const sysfs::Result<>& done) const;
  /// A line in the log.
  void inform(const std::string& line) const;

 private:
  const Engine::Services& services_;
};

}  // namespace devbindd::handoff
