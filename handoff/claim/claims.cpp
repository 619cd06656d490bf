// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claims.hpp"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "handoff/claim/claim_permission.hpp"
#include "handoff/claim/error_recovery.hpp"
#include "handoff/claim/owner_process.hpp"
#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

// What would refuse the claim is what its dry run tells; what makes it impossible to say is an error of that too.
ClaimAnswer previewing(ClaimAnswer done) {
  return [done = std::move(done)](ClaimOutcome outcome) {
    auto* refused = std::get_if<Refusal>(&outcome);
    const bool verdict = refused != nullptr && (refused->error.code == ErrorCode::Refused ||
                                                refused->error.code == ErrorCode::NotEnoughDevices);
    if (!verdict || refused->evidence.empty()) return done(std::move(outcome));
    Preview preview{.plan = {}, .refused_by = refused->evidence, .selection = std::move(refused->selection)};
    preview.plan.evidence = std::move(refused->evidence);
    done(std::move(preview));
  };
}

}  // namespace

Claims::Claims(Engine& engine, Hooks hooks)
    : engine_(engine),
      records_(engine.services()),
      access_(engine, table_, records_),
      release_(engine, table_, records_, access_,
               {.withdraw = std::move(hooks.withdraw), .freed = std::move(hooks.freed)}),
      owners_(engine.services(), table_, records_, release_, std::move(hooks.watch_process)),
      setup_(engine, table_, records_, access_, release_, owners_, std::move(hooks.publish)),
      choice_(engine, table_, setup_, std::move(hooks.labels_of)) {
  engine_.set_claim_lookup([this](const sysfs::Device& device) { return holder_of(device); });
}

ClaimAnswer Claims::counted(ClaimAnswer done) {
  return [this, done = std::move(done)](ClaimOutcome outcome) {
    if (const auto* refused = std::get_if<Refusal>(&outcome)) ++refusals_[refused->error.code];
    done(std::move(outcome));
  };
}

// A refusal is on disk before it is told. From when it holds devices on, a claim has lines of its own.
ClaimAnswer Claims::audited(const ClaimAttempt& attempt, ClaimAnswer done) const {
  return [this, id = attempt.claim.id, request = attempt.request, requester = attempt.claim.requester,
          done = std::move(done)](ClaimOutcome outcome) {
    const auto* refused = std::get_if<Refusal>(&outcome);
    if (refused == nullptr || refused->error.code == ErrorCode::JournalFailed || find(id) != nullptr)
      return done(std::move(outcome));
    records_.audit(request, *refused, requester, [done, outcome] { done(outcome); });
  };
}

void Claims::create(ClaimRequest request, Requester requester, bool dry_run, ClaimAnswer done,
                    std::function<void(const std::string&)> accepted) {
  if (!dry_run) done = counted(std::move(done));
  const auto& services = engine_.services();
  if (services.read_only && !dry_run)
    return done(refusal(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  if (!engine_.accepting()) return done(refusal(ErrorCode::ShuttingDown, "devbindd is stopping"));
  set_own_owner(request, requester);
  // A dry run is answered as the request itself would be: a key that is known makes no other claim.
  if (const auto* known = table_.with_key(request, requester))
    return setup_.answer_again(*known, request, requester, std::move(done));
  if (table_.is_full())
    return done(refusal(ErrorCode::TooBusy, "there are " + std::to_string(max_claims) + " claims already"));
  auto attempt = std::make_shared<ClaimAttempt>();
  attempt->claim.id = boost::uuids::to_string(boost::uuids::random_generator()());
  attempt->claim.boot_id = services.boot_id;
  attempt->claim.requester = std::move(requester);
  attempt->claim.created_at = std::chrono::system_clock::now();
  attempt->request = std::move(request);
  attempt->dry_run = dry_run;
  attempt->done = dry_run ? previewing(done) : audited(*attempt, done);
  attempt->drop = std::move(done);
  attempt->accepted = std::move(accepted);
  if (const auto pid = attempt->request.pid) {
    const auto start = start_of_owner(services.tree, *pid);
    if (!start) return attempt->done(Refusal{start.error(), {}, {}});
    attempt->claim.process_start = *start;
  }
  choice_.add(attempt);
}

void Claims::renew(const std::string& id, const Requester& requester, std::optional<std::chrono::seconds> ttl,
                   std::function<void(sysfs::Result<>)> done) {
  owners_.renew(id, requester, ttl, std::move(done));
}

void Claims::release(const std::string& id, const Requester& requester, bool when_closed,
                     std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted) {
  release_.release(id, requester, when_closed, std::move(done), std::move(accepted));
}

void Claims::preview_release(const std::string& id, const Requester& requester, bool when_closed,
                             std::function<void(std::variant<Refusal, Preview>)> done) {
  release_.preview(id, requester, when_closed, std::move(done));
}

void Claims::acknowledge(const std::string& id, const Requester& requester, std::function<void(sysfs::Result<>)> done) {
  release_.acknowledge(id, requester, std::move(done));
}

void Claims::take(const sysfs::UeventBatch& batch) {
  note_error_recovery(table_, records_, engine_.services().inventory, batch);
}

// --- what an earlier daemon left

void Claims::start() {
  for (const auto& row : engine_.services().journal.remembered().claims) {
    auto claim = claim_of(row);
    if (!claim) {
      engine_.damaged_rows().set_aside({.table = "claims", .key = row.id, .reason = "it is no document of a claim"});
      continue;
    }
    // Its day is over: the journal keeps it like any other.
    if (row.state == "kept" && !is_key_known(*claim)) records_.store(*claim);
    table_.adopt(std::move(*claim));
  }
  // Only now, since the end of one looks at the others.
  for (const auto& id : std::vector(table_.ids())) {
    if (find(id) != nullptr) adopt(id);
  }
}

void Claims::adopt(const std::string& id) {
  const auto& claim = table_.at(id);
  if (!holds_devices(claim)) return;
  table_.run_of(id).permit = permit_of(engine_.services(), permit_for(claim));
  if (claim.boot_id != engine_.services().boot_id)
    return release_.end(id, ClaimState::Lost,
                        "the host was restarted while it was " + std::string(name_of(claim.state)));
  switch (claim.state) {
    case ClaimState::Preparing: return setup_.resume(id);
    case ClaimState::Active: return setup_.reopen(id);
    case ClaimState::Releasing:
      return engine_.waiters().when_ended(claim.release_operation, [this, id] { release_.resume(id); });
    default: return;
  }
}

}  // namespace devbindd::handoff
