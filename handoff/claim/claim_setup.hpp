// SPDX-License-Identifier: Apache-2.0
// How a claim is made once its devices are chosen: hold them, bind them all or none, open their nodes to the owner.
// Not here: which devices (claim_choice.hpp), what it lasts as long as (owner_watch.hpp).
//
// The way: hold -> bind -> on_bound -> activate -> open nodes -> on_nodes_open. What fails after the binding is given
// back by the claim's release.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "handoff/claim/claim_attempt.hpp"
#include "handoff/claim/claim_node_access.hpp"
#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_release.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/claim/owner_watch.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

/// Makes what the consumers of a claim read. An error ends the claim.
using Publish = std::function<void(const Claim&, std::function<void(sysfs::Result<>)>)>;

class ClaimSetup {
 public:
  ClaimSetup(Engine& engine, ClaimTable& claims, const ClaimRecords& records, ClaimNodeAccess& access,
             ClaimRelease& release, OwnerWatch& owners, Publish publish);

  /// Answers whoever comes with the key of a claim that is known: as the first request was answered, when that is
  /// there. Error: KeyReused.
  void answer_again(const Claim& known, const ClaimRequest& request, const Requester& requester, ClaimAnswer done);
  /// The same request with the same key may have got its devices while this one looked around: then it is answered.
  bool is_made_already(const Attempt& attempt);

  /// Keeps the chosen devices from everybody else from now on, and makes the claim; or tells what that would take.
  void hold(const Attempt& attempt);

  /// Goes on with a claim that an earlier daemon has begun to make: its operation, if it was begun, is brought to an
  /// end by the engine.
  void resume(const std::string& id);
  /// Opens the nodes of a claim again that was active when an earlier daemon ended.
  void reopen(const std::string& id);

 private:
  void when_made(const std::string& id, const Requester& requester, ClaimAnswer done);
  std::optional<sysfs::Error> denied_group(const ClaimAttempt& attempt, const sysfs::Device& device,
                                           const std::vector<sysfs::Device>& group) const;
  std::optional<Refusal> add_devices(ClaimAttempt& attempt) const;
  void preview(const Attempt& attempt);
  void on_held(const Attempt& attempt, const sysfs::Result<>& stored);
  void bind(const Attempt& attempt);
  void on_bound(const std::string& id, ClaimAnswer done);
  void activate(const std::string& id, ClaimAnswer done);
  void open_nodes(const std::string& id, const ClaimAnswer& done);
  void on_nodes_open(const std::string& id, const ClaimAnswer& done);
  void make_active(const std::string& id, const ClaimAnswer& done);
  void not_activated(const std::string& id, const sysfs::Error& error, const std::string& what,
                     const ClaimAnswer& done);

  Engine& engine_;
  ClaimTable& claims_;
  const ClaimRecords& records_;
  ClaimNodeAccess& access_;
  ClaimRelease& release_;
  OwnerWatch& owners_;
  Publish publish_;
};

}  // namespace devbindd::handoff
