// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_release.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "handoff/claim/claim_changes.hpp"
#include "handoff/claim/claim_outcome.hpp"
#include "handoff/claim/error_recovery.hpp"
#include "handoff/plan/device_reasons.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr unsigned most_failures = 10;  // of giving back, for a reason that does not pass by itself

// Whether waiting may help: somebody has the device open, or an operation is in the way.
bool passes(const Refusal& refusal) {
  const auto code = refusal.error.code;
  const bool open =
      std::ranges::any_of(refusal.evidence, [](const Evidence& item) { return item.code == "vfio.open"; });
  return open || code == ErrorCode::OperationInProgress || code == ErrorCode::TooBusy ||
         code == ErrorCode::ShuttingDown || code == ErrorCode::Overdue || code == ErrorCode::JournalFailed;
}

Evidence in_use_evidence(const std::vector<vfio::Holder>& holders) {
  return {.code = "vfio.open",
          .detail = "A device of the claim is open through VFIO.",
          .next_step = "End whoever has it open, or release with when_closed=true.",
          .processes = holders};
}

// Of the give-back, which comes when nobody has the devices open any longer.
void add(Preview& preview, const Preview& give_back) {
  const auto& plan = give_back.plan;
  preview.plan.steps.insert(preview.plan.steps.end(), plan.steps.begin(), plan.steps.end());
  preview.plan.transitions = plan.transitions;
  const auto is_open = [](const Evidence& item) { return item.code == "vfio.open"; };
  std::ranges::remove_copy_if(plan.evidence, std::back_inserter(preview.plan.evidence), is_open);
  std::ranges::remove_copy_if(give_back.refused_by, std::back_inserter(preview.refused_by), is_open);
}

// Its grace is over, and what is still open is something that the kernel can take back: what was bound for it.
bool is_taken_back(const Claim& claim, const std::set<sysfs::PciAddress>& open) {
  if (!claim.request.restore || !is_grace_over(claim)) return false;
  return std::ranges::all_of(open, [&claim](const sysfs::PciAddress& address) {
    const auto changed = std::ranges::find(claim.changed, address, &Transition::address);
    return changed != claim.changed.end() && changed->driver_before != changed->driver_after;
  });
}

std::string no_claim(const std::string& id) { return "there is no claim " + id.substr(0, 64); }

}  // namespace

ClaimRelease::ClaimRelease(Engine& engine, ClaimTable& claims, const ClaimRecords& records, ClaimNodeAccess& access,
                           ReleaseHooks hooks)
    : engine_(engine),
      claims_(claims),
      records_(records),
      access_(access),
      reset_(engine, claims),
      health_(engine, claims),
      hooks_(std::move(hooks)) {}

// --- asked for

// nullopt: it is active, or its end needs nothing more of anybody.
std::optional<Refusal> ClaimRelease::not_to_be_released(const std::string& id) const {
  const auto* claim = claims_.find(id);
  if (claim == nullptr) return refusal(ErrorCode::ClaimNotFound, no_claim(id));
  const bool quarantined = claim->state == ClaimState::Quarantined;
  if (!quarantined && claim->state != ClaimState::Preparing) return std::nullopt;
  return refusal(ErrorCode::ClaimNotActive, "the claim is " + std::string(name_of(claim->state)) +
                                                (quarantined ? ": acknowledge it" : ": wait until it is made"));
}

ChangeRequest ClaimRelease::give_back_now(const std::string& id) const {
  return give_back_of(claims_.at(id), engine_.services().inventory, claims_.run_of(id).faults);
}

void ClaimRelease::add_resets(const Claim& claim, Preview& preview) const {
  const auto& services = engine_.services();
  for (const auto& device : claim.devices) {
    const auto step = reset_of(services.inventory, claim, device);
    if (!step) continue;
    if (has_reset(services.tree, device.address))
      preview.plan.steps.push_back({.step = *step, .undo = {}});
    else if (claim.request.reset == ReleaseReset::Required)
      preview.plan.evidence.push_back(no_reset_evidence(device.address));
  }
}

void ClaimRelease::preview(const std::string& id, const Requester& requester, bool when_closed,
                           std::function<void(std::variant<Refusal, Preview>)> done) {
  if (auto no = not_to_be_released(id)) return done(std::move(*no));
  if (claims_.at(id).state != ClaimState::Active) return done(Preview{});
  const auto found = [this, id, requester, when_closed,
                      done = std::move(done)](const sysfs::Result<OpenDevices>& open) {
    const auto* claim = claims_.find(id);
    if (claim == nullptr || claim->state != ClaimState::Active) return done(Preview{});
    if (!open) return done(Refusal{open.error(), {}, {}});
    Preview preview;
    if (!open->open.empty() && !when_closed) preview.refused_by.push_back(in_use_evidence(open->holders));
    add_resets(*claim, preview);
    auto request = give_back_now(id);
    if (request.items.empty()) return done(std::move(preview));
    auto own = requester;
    own.permission = {};  // who may end the claim may have its devices given back
    engine_.submit(std::move(request), std::move(own), true, [preview, done](const Decision& decision) mutable {
      if (const auto* refused = std::get_if<Refusal>(&decision)) return done(*refused);
      add(preview, std::get<Preview>(decision));
      done(std::move(preview));
    });
  };
  find_open_devices(engine_, claims_.at(id), asker_of(requester), found);
}

void ClaimRelease::release(const std::string& id, const Requester& requester, bool when_closed,
                           std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted) {
  if (auto no = not_to_be_released(id)) return done(std::move(no));
  if (claims_.at(id).state != ClaimState::Active) return done(std::nullopt);
  const auto found = [this, id, requester, when_closed, done = std::move(done),
                      accepted = std::move(accepted)](const sysfs::Result<OpenDevices>& open) {
    auto* still = claims_.find(id);
    if (still == nullptr || still->state != ClaimState::Active) return done(std::nullopt);
    if (!open) return done(Refusal{open.error(), {}, {}});
    if (!open->open.empty() && !when_closed) {
      const auto evidence = in_use_evidence(open->holders);
      return done(Refusal{{ErrorCode::ClaimInUse, "a device of the claim is still open"}, {evidence}, {}});
    }
    claims_.run_of(id).when_released.push_back(done);
    still->ended_by = requester;
    begin(id, "it was released");
    if (accepted) accepted();
  };
  find_open_devices(engine_, claims_.at(id), asker_of(requester), found);
}

// --- its stages

void ClaimRelease::begin(const std::string& id, std::string reason) {
  auto* claim = claims_.find(id);
  if (claim == nullptr || !may_become(claim->state, ClaimState::Releasing)) return;
  claim->state = ClaimState::Releasing;
  claim->cause = reason;
  claim->reason = std::move(reason);
  begin_grace(*claim);
  stop_watching_process(claims_.run_of(id));
  if (hooks_.withdraw) hooks_.withdraw(*claim, [this](const sysfs::Result<>& done) { records_.warn(done); });
  records_.store(*claim, [this, id](const sysfs::Result<>& stored) {
    records_.warn(stored);
    wait_until_closed(id);
  });
}

void ClaimRelease::resume(const std::string& id) { wait_until_closed(id); }

// First nobody can open a node any longer, or an owner could keep the devices for ever; what is open stays so.
void ClaimRelease::wait_until_closed(const std::string& id) {
  access_.revoke(id, [this, id](const sysfs::Result<>& revoked) {
    if (revoked) return on_nodes_closed(id);
    auto reason = "its nodes could not be closed to its owner: " + revoked.error().message;
    if (passes({revoked.error(), {}, {}})) return try_again(id, std::move(reason));
    fail_once_more(id, std::move(reason));
  });
}

void ClaimRelease::on_nodes_closed(const std::string& id) {
  find_open_devices(engine_, claims_.at(id), {}, [this, id](sysfs::Result<OpenDevices> found) {
    if (!found) return try_again(id, "its devices cannot be read: " + found.error().message);
    auto& claim = claims_.at(id);
    claim.holders = std::move(found->holders);
    const auto open = std::move(found->open);
    if (!open.empty() && !is_taken_back(claim, open)) return try_again(id, {});
    std::set<sysfs::PciAddress> leaving;
    for (const auto& item : give_back_now(id).items) {
      if (item.address) leaving.insert(*item.address);
    }
    find_hidden_users(engine_, claim, leaving, [this, id, open](bool hidden) {
      if (!hidden) return give_back(id, open);
      try_again(id, "a group of it is open still, by no process that can be seen: the descriptor may wait in a socket");
    });
  });
}

void ClaimRelease::try_again(const std::string& id, std::string reason) {
  if (!reason.empty()) claims_.at(id).reason = std::move(reason);
  claims_.answer_releasers(id);
  if (engine_.services().after) engine_.services().after(look_again, [this, id] { wait_until_closed(id); });
}

void ClaimRelease::fail_once_more(const std::string& id, std::string reason) {
  if (++claims_.run_of(id).failures < most_failures) return try_again(id, std::move(reason));
  end(id, ClaimState::Quarantined, std::move(reason));
}

void ClaimRelease::give_back(const std::string& id, const std::set<sysfs::PciAddress>& open) {
  if (is_being_recovered(claims_.at(id), engine_.services().inventory))
    return fail_once_more(id, "the kernel has not ended the recovery of one of its devices from an error");
  claims_.run_of(id).faults.clear();
  reset_.run(id, open, [this, id](std::optional<std::string> waits) {
    if (waits) return try_again(id, std::move(*waits));
    health_.run(id, [this, id] { give_back_healthy(id); });
  });
}

// Tried dry first, so that what has to wait does not fill the audit.
void ClaimRelease::give_back_healthy(const std::string& id) {
  auto request = give_back_now(id);
  request.ends_claim = true;
  if (request.items.empty()) return settle(id);
  engine_.submit(request, claims_.at(id).requester, true, [this, id, request](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) return not_given_back(id, *refused);
    const auto& preview = std::get<Preview>(decision);
    if (preview.refused_by.empty()) return submit_give_back(id, request);
    not_given_back(id, {{ErrorCode::Refused, preview.refused_by.front().detail}, preview.refused_by, {}});
  });
}

void ClaimRelease::submit_give_back(const std::string& id, const ChangeRequest& request) {
  engine_.submit(request, claims_.at(id).requester, false, [this, id](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) return not_given_back(id, *refused);
    if (std::holds_alternative<Unchanged>(decision)) return settle(id);
    auto& claim = claims_.at(id);
    const auto operation = std::get<Accepted>(decision).operation;
    claim.release_operation = operation;
    records_.store(claim);
    engine_.waiters().when_settled(operation, [this, id, operation] {
      if (engine_.operations().is_blocked(operation)) claims_.answer_releasers(id);
    });
    engine_.waiters().when_ended(operation, [this, id] { on_given_back(id); });
  });
}

void ClaimRelease::not_given_back(const std::string& id, const Refusal& refusal) {
  auto reason = "it cannot be given back yet: " + refusal.error.message;
  if (passes(refusal)) return try_again(id, std::move(reason));
  fail_once_more(id, std::move(reason));
}

// Whether the failed give-back is tried again without the device that has spoilt it for all: one that has been pulled
// meanwhile, or that its driver does not take. Each time there is one less.
bool ClaimRelease::is_left_out(const std::string& id, const Operation& operation) {
  if (!operation.error || left_incomplete(operation) || !engine_.current()) return false;
  for (const auto& transition : operation.transitions) {
    if (engine_.services().inventory.find(transition.address) == nullptr) return true;
  }
  const auto culprit = operation.error->step ? operation.error->step->address : std::nullopt;
  if (!culprit) return false;
  auto fault = "giving " + sysfs::to_string(*culprit) + " back failed: " + failure_of(operation);
  return claims_.run_of(id).faults.emplace(*culprit, std::move(fault)).second;
}

void ClaimRelease::on_given_back(const std::string& id) {
  const auto operation = engine_.operations().find(claims_.at(id).release_operation);
  if (operation && (*operation)->state == OperationState::Succeeded) return health_.run(id, [this, id] { settle(id); });
  if (operation && is_left_out(id, **operation)) return give_back_healthy(id);
  const auto faults = text_of(claims_.run_of(id).faults);
  end(id, ClaimState::Quarantined,
      "giving it back failed: " + (operation ? failure_of(**operation) : "unknown") +
          (faults.empty() ? "" : "; " + faults));
}

void ClaimRelease::settle(const std::string& id) {
  auto faults = text_of(claims_.run_of(id).faults);
  const auto& claim = claims_.at(id);
  if (faults.empty()) return end(id, ClaimState::Released, claim.cause.empty() ? claim.reason : claim.cause);
  end(id, ClaimState::Quarantined, std::move(faults));
}

// --- its end

void ClaimRelease::end(const std::string& id, ClaimState state, std::string reason) {
  auto& claim = claims_.at(id);
  auto& run = claims_.run_of(id);
  run.nodes_closed = false;
  run.late_reads = 0;
  run.failures = 0;
  run.faults.clear();
  forget_connections(run, id);
  claim.state = state;
  claim.reason = std::move(reason);
  if (!holds_devices(claim)) claim.ended_at = std::chrono::system_clock::now();
  claim.holders.clear();
  claim.expires_at.reset();
  claim.expires_uptime.reset();
  if (state != ClaimState::Released)
    records_.inform("claim " + id + " is " + std::string(name_of(state)) + ": " + claim.reason);
  records_.audit(claim, AuditEvent::Ended);
  records_.store(claim, [this, id](const sysfs::Result<>& stored) {
    records_.warn(stored);
    claims_.answer_releasers(id);
    claims_.answer_creators(id);
  });
  if (!holds_devices(claim)) on_freed(id);
}

void ClaimRelease::on_freed(const std::string& id) {
  claims_.run_of(id).permit.reset();
  if (hooks_.freed) hooks_.freed(claims_.at(id));
  for (const auto& claim : claims_.retire(id)) records_.store(claim);
}

void ClaimRelease::acknowledge(const std::string& id, const Requester& requester,
                               std::function<void(sysfs::Result<>)> done) {
  const auto* found = claims_.find(id);
  if (found == nullptr) return done(sysfs::fail(ErrorCode::ClaimNotFound, no_claim(id)));
  if (found->state != ClaimState::Quarantined) {
    return done(sysfs::fail(ErrorCode::ClaimNotActive, "the claim is " + std::string(name_of(found->state)) +
                                                           ": only a quarantined one is acknowledged"));
  }
  // It may be here since its nodes could not be closed: the next claim's owner is not to share them.
  access_.revoke(id, [this, id, requester, done = std::move(done)](sysfs::Result<> revoked) {
    auto* claim = claims_.find(id);
    if (claim != nullptr) claims_.run_of(id).nodes_closed = false;
    const bool waits = claim != nullptr && claim->state == ClaimState::Quarantined;
    if (!revoked || !waits) return done(std::move(revoked));
    claim->state = ClaimState::Released;
    claim->ended_at = std::chrono::system_clock::now();
    claim->reason = "it was acknowledged: " + claim->reason;
    claim->ended_by = requester;
    records_.audit(*claim, AuditEvent::Ended);
    const auto acknowledged = *claim;
    on_freed(id);
    const auto* kept = claims_.find(id);
    records_.store(kept != nullptr ? *kept : acknowledged, done);
  });
}

}  // namespace devbindd::handoff
