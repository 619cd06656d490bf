// SPDX-License-Identifier: Apache-2.0
// The claims, as others see them: making one, keeping it, ending it. On the daemon's one thread. What each of these
// takes stands in files of its own: choice (claim_choice.hpp), binding and opening (claim_setup.hpp), what it lasts as
// long as (owner_watch.hpp), its end (claim_release.hpp). Not here: binding (operation/engine.hpp), HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "handoff/claim/claim_choice.hpp"
#include "handoff/claim/claim_node_access.hpp"
#include "handoff/claim/claim_outcome.hpp"
#include "handoff/claim/claim_permission.hpp"
#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_release.hpp"
#include "handoff/claim/claim_setup.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/claim/owner_watch.hpp"
#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

class Claims {
 public:
  struct Hooks {
    WatchProcess watch_process;
    /// The claim is about to be active, also again after a restart: what its consumers read is made. An error ends it.
    Publish publish = {};
    /// It is over, or about to be.
    Withdraw withdraw = {};
    /// It has ended, and holds its devices no longer.
    std::function<void(const Claim&)> freed = {};
    /// What the host's policies call a device, for selectors by labels.
    LabelsOf labels_of = {};
  };

  Claims(Engine& engine, Hooks hooks);

  /// Takes over what an earlier daemon's journal has: brings half-made and half-ended claims to their end, opens nodes
  /// again, marks claims of an earlier boot as lost. After Engine::start_recovery().
  void start();

  /// Calls `done` once: when the claim is active or has failed, or while it is still preparing, when the kernel blocks.
  /// With `dry_run` nothing is taken: the answer is what binding the devices that would be chosen takes, or what would
  /// refuse that.
  /// Before it `accepted` is called, when there is a claim that is being made: its devices are held.
  void create(ClaimRequest request, Requester requester, bool dry_run, ClaimAnswer done,
              std::function<void(const std::string& id)> accepted = {});

  /// Prolongs it by its time to live, or by `ttl` from now on. One that lasts while its owner is connected lasts from
  /// now on as long as this connection too. Errors: ClaimNotFound, ClaimNotActive, JournalFailed.
  void renew(const std::string& id, const Requester& requester, std::optional<std::chrono::seconds> ttl,
             std::function<void(sysfs::Result<>)> done);

  /// Ends it. Refused (ClaimInUse, with who has it open) while a device is open, unless `when_closed`: then it waits.
  /// `done` gets nullopt when it has ended, is quarantined, or waits; before it `accepted` is called, when its end has
  /// begun. Other errors: ClaimNotFound, ClaimNotActive.
  void release(const std::string& id, const Requester& requester, bool when_closed,
               std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted = {});

  /// What ending it now would do: the resets and the give-back, and what would refuse it. Errors: as release().
  void preview_release(const std::string& id, const Requester& requester, bool when_closed,
                       std::function<void(std::variant<Refusal, Preview>)> done);

  /// Frees the devices of a quarantined claim. Errors: ClaimNotFound, ClaimNotActive, JournalFailed.
  void acknowledge(const std::string& id, const Requester& requester, std::function<void(sysfs::Result<>)> done);

  /// nullptr when there is none.
  const Claim* find(const std::string& id) const { return table_.find(id); }
  /// All that are known, oldest first.
  std::vector<const Claim*> all() const { return table_.all(); }
  /// The id of the claim that holds the device, or "".
  std::string holder_of(const sysfs::Device& device) const { return table_.holder_of(device); }

  /// What came of the resets at the ends of claims, since this daemon runs.
  const DeviceReset::Outcomes& resets() const { return release_.resets(); }
  /// Claims that nobody got, since this daemon runs, without dry runs.
  using Refusals = std::map<sysfs::ErrorCode, std::uint64_t>;
  const Refusals& refusals() const { return refusals_; }
  /// What somebody's claims hold now.
  Holdings holdings_of(const Requester& requester) const { return handoff::holdings_of(table_, requester); }

  /// Counts changes of which claim holds what.
  std::uint64_t generation() const { return table_.generation(); }

  /// Takes in what uevents tell of the kernel's recovery of claimed devices from errors: the claims say so, and one
  /// that could not be recovered is not given back.
  void take(const sysfs::UeventBatch& batch);

  /// To be called when nodes of VFIO appeared or udev has set their mode: opens them to their owners again.
  void nodes_changed() { access_.grant_all(); }

 private:
  void adopt(const std::string& id);
  ClaimAnswer counted(ClaimAnswer done);
  ClaimAnswer audited(const ClaimAttempt& attempt, ClaimAnswer done) const;

  Engine& engine_;
  ClaimTable table_;
  ClaimRecords records_;
  ClaimNodeAccess access_;
  ClaimRelease release_;
  OwnerWatch owners_;
  ClaimSetup setup_;
  ClaimChoice choice_;
  Refusals refusals_;
};

}  // namespace devbindd::handoff
