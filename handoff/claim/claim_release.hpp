// SPDX-License-Identifier: Apache-2.0
// How a claim ends: never while a device of it is open; then its nodes are closed to the owner, its devices reset,
// looked at, and given back. The states of a claim: may_become() in model/claim.hpp. Not here: the reset
// (device_reset.hpp), the look at the devices (health_check.hpp), why it ends (owner_watch.hpp).
//
// The way of an end: begin -> wait until closed -> give back -> give back the healthy ones -> on_given_back -> settle.
// Each stage either goes on, or begins again at "wait until closed" after a while (try_again).
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "handoff/claim/claim_node_access.hpp"
#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/claim/device_reset.hpp"
#include "handoff/claim/health_check.hpp"
#include "handoff/claim/open_devices.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

/// Takes away what the consumers of a claim read.
using Withdraw = std::function<void(const Claim&, std::function<void(sysfs::Result<>)>)>;

/// What others do when a claim ends.
struct ReleaseHooks {
  /// It is over, or about to be: what its consumers read is taken away.
  Withdraw withdraw = {};
  /// It has ended, and holds its devices no longer.
  std::function<void(const Claim&)> freed = {};
};

class ClaimRelease {
 public:
  ClaimRelease(Engine& engine, ClaimTable& claims, const ClaimRecords& records, ClaimNodeAccess& access,
               ReleaseHooks hooks);

  /// As Claims::release().
  void release(const std::string& id, const Requester& requester, bool when_closed,
               std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted);
  /// As Claims::preview_release().
  void preview(const std::string& id, const Requester& requester, bool when_closed,
               std::function<void(std::variant<Refusal, Preview>)> done);
  /// As Claims::acknowledge().
  void acknowledge(const std::string& id, const Requester& requester, std::function<void(sysfs::Result<>)> done);

  /// Begins the end of a claim that is being made or is active, for this reason, a sentence; nothing else happens to
  /// any other.
  void begin(const std::string& id, std::string reason);
  /// Goes on with the end that an earlier daemon has begun.
  void resume(const std::string& id);
  /// Ends it now, in this state and for this reason: nothing is given back any more.
  void end(const std::string& id, ClaimState state, std::string reason);

  const DeviceReset::Outcomes& resets() const { return reset_.outcomes(); }

 private:
  std::optional<Refusal> not_to_be_released(const std::string& id) const;
  void add_resets(const Claim& claim, Preview& preview) const;
  ChangeRequest give_back_now(const std::string& id) const;
  void wait_until_closed(const std::string& id);
  void on_nodes_closed(const std::string& id);
  void try_again(const std::string& id, std::string reason);
  void fail_once_more(const std::string& id, std::string reason);
  void give_back(const std::string& id, const std::set<sysfs::PciAddress>& open);
  void give_back_healthy(const std::string& id);
  void submit_give_back(const std::string& id, const ChangeRequest& request);
  void not_given_back(const std::string& id, const Refusal& refusal);
  bool is_left_out(const std::string& id, const Operation& operation);
  void on_given_back(const std::string& id);
  void settle(const std::string& id);
  void on_freed(const std::string& id);

  Engine& engine_;
  ClaimTable& claims_;
  const ClaimRecords& records_;
  ClaimNodeAccess& access_;
  DeviceReset reset_;
  HealthCheck health_;
  ReleaseHooks hooks_;
};

}  // namespace devbindd::handoff
