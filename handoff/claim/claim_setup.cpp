// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_setup.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "handoff/claim/claim_changes.hpp"
#include "handoff/claim/claim_permission.hpp"
#include "handoff/claim/device_reset.hpp"
#include "handoff/journal/claim_document.hpp"
#include "handoff/plan/claim_reasons.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

ClaimedDevice claimed_from(const sysfs::Device& device, const std::string& driver, bool companion) {
  return {.address = device.address,
          .vendor = device.vendor,
          .device = device.device,
          .iommu_group = device.iommu_group,
          .driver = driver,
          .companion = companion,
          .inode = device.inode};
}

// On its driver before, a VF may be told other settings while the claim has it.
void note_settings(Claim& claim, const std::vector<Transition>& transitions) {
  for (const auto& transition : transitions) {
    if (transition.vf_settings_before) claim.changed.push_back(transition);
  }
}

void answer_nobody(const ClaimOutcome&) {}

}  // namespace

ClaimSetup::ClaimSetup(Engine& engine, ClaimTable& claims, const ClaimRecords& records, ClaimNodeAccess& access,
                       ClaimRelease& release, OwnerWatch& owners, Publish publish)
    : engine_(engine),
      claims_(claims),
      records_(records),
      access_(access),
      release_(release),
      owners_(owners),
      publish_(std::move(publish)) {}

// --- the same request again

void ClaimSetup::when_made(const std::string& id, const Requester& requester, ClaimAnswer done) {
  const auto& known = claims_.at(id);
  if (holds_devices(known)) owners_.connect(id, requester);
  const bool blocked = !known.operation.empty() && engine_.operations().is_blocked(known.operation);
  if (known.state != ClaimState::Preparing || blocked) return done(ClaimMade{id, true});
  claims_.run_of(id).when_made.push_back([this, id, done = std::move(done)] {
    const auto* claim = claims_.find(id);
    if (claim != nullptr && holds_devices(*claim)) return done(ClaimMade{id, true});
    done(refusal(ErrorCode::ClaimNotActive, claim != nullptr ? claim->reason : "the claim is over"));
  });
}

void ClaimSetup::answer_again(const Claim& known, const ClaimRequest& request, const Requester& requester,
                              ClaimAnswer done) {
  if (same_request(known.request, request)) return when_made(known.id, requester, std::move(done));
  done(refusal(ErrorCode::KeyReused, "the idempotency key came with another request: claim " + known.id));
}

bool ClaimSetup::is_made_already(const Attempt& attempt) {
  const auto& requester = attempt->claim.requester;
  const auto* known = claims_.with_key(attempt->request, requester);
  if (known != nullptr) answer_again(*known, attempt->request, requester, attempt->done);
  return known != nullptr;
}

// --- holding

// An IOMMU group goes as a whole, or not at all.
std::optional<sysfs::Error> ClaimSetup::denied_group(const ClaimAttempt& attempt, const sysfs::Device& device,
                                                     const std::vector<sysfs::Device>& group) const {
  const auto& permission = attempt.claim.requester.permission;
  if (!permission) return std::nullopt;
  std::vector<const sysfs::Device*> all = {&device};
  for (const auto& member : group) all.push_back(&member);
  return denied_devices(*permission, all, engine_.services().labels_of);
}

// Of each chosen device the whole group; what refuses one of them.
std::optional<Refusal> ClaimSetup::add_devices(ClaimAttempt& attempt) const {
  const auto& services = engine_.services();
  std::set<sysfs::PciAddress> added;
  for (const auto& address : attempt.chosen) {
    const auto* device = services.inventory.find(address);
    if (device == nullptr)
      return refusal(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address));
    const auto group = claimable_group(services.inventory, address);
    if (auto denied = denied_group(attempt, *device, group)) return Refusal{std::move(*denied), {}, {}};
    auto evidence = without_reset(services.tree, attempt.request, group);
    if (const auto holder = claims_.holder_of(*device); !evidence && !holder.empty())
      evidence = claim_evidence(address, holder);
    if (evidence) return Refusal{{ErrorCode::Refused, evidence->detail}, {*evidence}, {}};
    const auto driver = driver_for_group(services.modules, attempt.request, group).text();
    const auto add = [&](const sysfs::Device& member, bool companion) {
      if (added.insert(member.address).second) attempt.claim.devices.push_back(claimed_from(member, driver, companion));
    };
    add(*device, false);
    for (const auto& member : group)
      add(member, std::ranges::find(attempt.chosen, member.address) == attempt.chosen.end());
  }
  return std::nullopt;
}

void ClaimSetup::hold(const Attempt& attempt) {
  auto& claim = attempt->claim;
  if (is_made_already(attempt)) return;
  claim.devices.clear();
  if (auto refused = add_devices(*attempt)) return attempt->done(std::move(*refused));
  if (auto full = over_limit(claims_, claim)) return attempt->done(Refusal{std::move(*full), {}, {}});
  claim.request = attempt->request;
  if (attempt->dry_run) return preview(attempt);
  claims_.add(claim);
  claims_.run_of(claim.id).permit = permit_of(engine_.services(), permit_for(claim));
  owners_.connect(claim.id, claim.requester);
  records_.store(claims_.at(claim.id), [this, attempt](const sysfs::Result<>& stored) { on_held(attempt, stored); });
}

void ClaimSetup::on_held(const Attempt& attempt, const sysfs::Result<>& stored) {
  const auto& id = attempt->claim.id;
  if (stored && attempt->accepted) attempt->accepted(id);
  if (stored) return bind(attempt);
  auto run = std::move(claims_.run_of(id));
  claims_.remove(id);
  forget_connections(run, id);
  attempt->done(Refusal{stored.error(), {}, {}});
  for (const auto& answer : run.when_made) answer();
}

void ClaimSetup::preview(const Attempt& attempt) {
  engine_.submit(binding_of(attempt->claim), attempt->claim.requester, true, [attempt](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) return attempt->done(*refused);
    attempt->done(std::get<Preview>(decision));
  });
}

// --- binding

void ClaimSetup::bind(const Attempt& attempt) {
  const auto& id = attempt->claim.id;
  const auto decided = [this, id, done = attempt->done](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) {
      release_.end(id, ClaimState::Released, "it was not made: " + refused->error.message);
      return done(*refused);
    }
    auto& claim = claims_.at(id);
    if (const auto* unchanged = std::get_if<Unchanged>(&decision)) {
      note_settings(claim, unchanged->plan.transitions);
      return activate(id, done);
    }
    claim.operation = std::get<Accepted>(decision).operation;
    records_.store(claim);
    engine_.waiters().when_settled(claim.operation, [this, id, done] { on_bound(id, done); });
  };
  engine_.submit(binding_of(claims_.at(id)), attempt->claim.requester, false, decided);
}

// The operation has ended, or hangs: then the caller is told that the claim is still being made.
void ClaimSetup::on_bound(const std::string& id, ClaimAnswer done) {
  const auto operation = claims_.at(id).operation;
  const auto found = engine_.operations().find(operation);
  if (found && (*found)->state == OperationState::Blocked) {
    done(ClaimMade{id});
    claims_.answer_creators(id);
    return engine_.waiters().when_ended(operation, [this, id] { on_bound(id, answer_nobody); });
  }
  if (found && (*found)->state == OperationState::Succeeded) return activate(id, std::move(done));
  release_.end(id, found && left_incomplete(**found) ? ClaimState::Quarantined : ClaimState::Released,
               "it was not made: " + (found ? failure_of(**found) : "gone"));
  done(ClaimFailed{operation});
}

// --- activation

// What its operation has changed is what its end gives back.
void ClaimSetup::activate(const std::string& id, ClaimAnswer done) {
  auto& claim = claims_.at(id);
  const auto operation = engine_.operations().find(claim.operation);
  if (operation && claim.changed.empty()) claim.changed = (*operation)->transitions;
  access_.note_earlier(id, [this, id, done = std::move(done)](const sysfs::Result<>& noted) {
    if (noted) return open_nodes(id, done);
    not_activated(id, noted.error(), "who has access to its nodes could not be kept", done);
  });
}

void ClaimSetup::open_nodes(const std::string& id, const ClaimAnswer& done) {
  access_.grant(id, [this, id, done](const sysfs::Result<>& granted) {
    if (granted) return on_nodes_open(id, done);
    not_activated(id, granted.error(), "its nodes could not be opened to its owner", done);
  });
}

void ClaimSetup::on_nodes_open(const std::string& id, const ClaimAnswer& done) {
  if (!publish_) return make_active(id, done);
  publish_(claims_.at(id), [this, id, done](const sysfs::Result<>& published) {
    if (published) return make_active(id, done);
    not_activated(id, published.error(), "what its consumer reads could not be written", done);
  });
}

void ClaimSetup::make_active(const std::string& id, const ClaimAnswer& done) {
  auto& claim = claims_.at(id);
  claim.state = ClaimState::Active;
  claim.made = true;
  claim.ttl = claim.request.ttl;
  if (claim.ttl) set_time_left(claim, *claim.ttl);
  records_.audit(claim, AuditEvent::Begun);
  records_.store(claim, [this, id, done](const sysfs::Result<>& stored) {
    if (!stored) return not_activated(id, stored.error(), "it could not be recorded", done);
    if (claims_.at(id).state == ClaimState::Active) owners_.watch(id);
    done(ClaimMade{id});
    claims_.answer_creators(id);
  });
}

void ClaimSetup::not_activated(const std::string& id, const sysfs::Error& error, const std::string& what,
                               const ClaimAnswer& done) {
  release_.begin(id, what + ": " + error.message);
  done(Refusal{error, {}, {}});
  claims_.answer_creators(id);
}

// --- what an earlier daemon left

// Without an operation the devices may have been on VFIO before; the owner may have got their nodes already.
void ClaimSetup::resume(const std::string& id) {
  auto& claim = claims_.at(id);
  if (claim.operation.empty()) claim.operation = engine_.operations().id_of_claim(id);
  if (claim.operation.empty()) return release_.begin(id, "it was not made: devbindd ended before it was active");
  engine_.waiters().when_ended(claim.operation, [this, id] { on_bound(id, answer_nobody); });
}

void ClaimSetup::reopen(const std::string& id) {
  access_.grant(id, [this, id](const sysfs::Result<>& granted) {
    records_.warn(granted);
    const auto& claim = claims_.at(id);
    if (claim.state != ClaimState::Active) return;
    if (publish_) publish_(claim, [this](const sysfs::Result<>& published) { records_.warn(published); });
    owners_.watch(id);
  });
}

}  // namespace devbindd::handoff
