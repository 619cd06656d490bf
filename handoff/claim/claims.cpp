// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claims.hpp"

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <map>
#include <set>
#include <utility>

#include "handoff/claim/claim_audit.hpp"
#include "handoff/claim/claims_parts.hpp"
#include "handoff/journal/claim_document.hpp"
#include "handoff/journal/rows.hpp"
#include "handoff/model/vfio_driver.hpp"
#include "handoff/plan/verdict.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::size_t max_claims = 1024;

}  // namespace

Claims::Claims(Engine& engine, Hooks hooks)
    : engine_(engine), hooks_(std::move(hooks)), access_(engine.services().run_task) {
  engine_.set_claim_lookup([this](const sysfs::Device& device) { return holder_of(device); });
}

const Claim* Claims::find(const std::string& id) const {
  const auto found = claims_.find(id);
  return found == claims_.end() ? nullptr : &found->second;
}

std::vector<const Claim*> Claims::all() const {
  std::vector<const Claim*> list;
  for (const auto& id : order_) list.push_back(&claims_.at(id));
  return list;
}

std::string Claims::holder_of(const sysfs::Device& device) const {
  const auto holder =
      std::ranges::find_if(holding_, [&](const std::string& id) { return holds(claims_.at(id), device); });
  return holder == holding_.end() ? std::string{} : *holder;
}

void Claims::store(const Claim& claim, std::function<void(sysfs::Result<>)> done) {
  // The journal keeps as many of the ended ones as it likes, but for those whose key is known.
  const bool kept = !holds_devices(claim) && is_key_known(claim);
  engine_.services().journal.store(row_of(claim, kept ? "kept" : std::string(name_of(claim.state))), std::move(done));
}

void Claims::store(const Claim& claim) {
  store(claim, [this](const sysfs::Result<>& stored) { warn(stored); });
}

void Claims::warn(const sysfs::Result<>& done) const {
  if (!done && engine_.services().warn) engine_.services().warn(done.error().message);
}

void Claims::withdraw(const Claim& claim) {
  if (hooks_.withdraw) warn(hooks_.withdraw(claim));
}

// --- making one

void Claims::create(ClaimRequest request, Requester requester, bool dry_run, std::function<void(Outcome)> done,
                    std::function<void(const std::string&)> accepted) {
  const auto& services = engine_.services();
  if (services.read_only && !dry_run)
    return done(refusal(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  if (!engine_.accepting()) return done(refusal(ErrorCode::ShuttingDown, "devbindd is stopping"));
  // A dry run is answered as the request itself would be: a key that is known makes no other claim.
  if (const auto* known = same_key(request, requester))
    return answer_again(*known, request, requester, std::move(done));
  if (holding_.size() >= max_claims)
    return done(refusal(ErrorCode::TooBusy, "there are " + std::to_string(max_claims) + " claims already"));
  auto attempt = std::make_shared<Attempt>();
  attempt->claim.id = boost::uuids::to_string(boost::uuids::random_generator()());
  attempt->claim.boot_id = services.boot_id;
  attempt->claim.requester = std::move(requester);
  attempt->claim.created_at = now();
  attempt->request = std::move(request);
  attempt->dry_run = dry_run;
  attempt->done = dry_run ? previewing(done) : audited(*attempt, done);
  attempt->drop = std::move(done);
  attempt->accepted = std::move(accepted);
  if (const auto pid = attempt->request.pid) {
    const auto start = process_start_of(services.tree, *pid);
    if (!start || is_thread(services.tree, *pid))
      return attempt->done(refusal(ErrorCode::OwnerNotFound, "there is no process " + std::to_string(*pid) +
                                                                 (start ? ": it is a thread of another" : "")));
    attempt->claim.process_start = *start;
  }
  line_up(attempt);
}

// A refusal is on disk before it is told. From when it holds devices on, a claim has lines of its own.
std::function<void(Claims::Outcome)> Claims::audited(const Attempt& attempt, std::function<void(Outcome)> done) {
  return [this, id = attempt.claim.id, request = attempt.request, requester = attempt.claim.requester,
          done = std::move(done)](Outcome outcome) {
    const auto* refused = std::get_if<Refusal>(&outcome);
    if (refused == nullptr || refused->error.code == ErrorCode::JournalFailed || find(id) != nullptr)
      return done(std::move(outcome));
    record_refusal(engine_.services().journal, request, *refused, requester,
                   [this, done, outcome](const sysfs::Result<>& stored) {
                     warn(stored);
                     done(outcome);
                   });
  };
}

// What would refuse the claim is what its dry run tells; what makes it impossible to say is an error of that too.
std::function<void(Claims::Outcome)> Claims::previewing(std::function<void(Outcome)> done) {
  return [done = std::move(done)](Outcome outcome) {
    auto* refused = std::get_if<Refusal>(&outcome);
    const bool verdict = refused != nullptr && (refused->error.code == ErrorCode::Refused ||
                                                refused->error.code == ErrorCode::NotEnoughDevices);
    if (!verdict || refused->evidence.empty()) return done(std::move(outcome));
    Preview preview{.plan = {}, .refused_by = refused->evidence, .selection = std::move(refused->selection)};
    preview.plan.evidence = std::move(refused->evidence);
    done(std::move(preview));
  };
}

// The same request again has the answer of the first, when that is there.
void Claims::when_made(const std::string& id, const Requester& requester, std::function<void(Outcome)> done) {
  if (holds_devices(*find(id))) connect(id, requester);
  if (find(id)->state != ClaimState::Preparing) return done(Made{id, true});
  const auto& operation = find(id)->operation;
  if (!operation.empty() && engine_.is_blocked(operation)) return done(Made{id, true});
  runs_[id].when_made.push_back([this, id, done = std::move(done)] {
    const auto* claim = find(id);
    if (claim != nullptr && holds_devices(*claim)) return done(Made{id, true});
    done(refusal(ErrorCode::ClaimNotActive, claim != nullptr ? claim->reason : "the claim is over"));
  });
}

// To who comes with the key of a claim that is known.
void Claims::answer_again(const Claim& known, const ClaimRequest& request, const Requester& requester,
                          std::function<void(Outcome)> done) {
  if (same_request(known.request, request)) return when_made(known.id, requester, std::move(done));
  done(refusal(ErrorCode::KeyReused, "the idempotency key came with another request: claim " + known.id));
}

void Claims::made(const std::string& id) {
  const auto run = runs_.find(id);
  if (run == runs_.end()) return;
  for (const auto& ready : std::exchange(run->second.when_made, {})) ready();
}

const Claim* Claims::same_key(const ClaimRequest& request, const Requester& requester) const {
  if (request.idempotency_key.empty()) return nullptr;
  for (const auto& [id, claim] : claims_) {
    if (claim.request.idempotency_key == request.idempotency_key && claim.requester.uid == requester.uid &&
        is_key_known(claim))
      return &claim;
  }
  return nullptr;
}

void Claims::find_owners(const std::shared_ptr<Attempt>& attempt) {
  if (has_left(attempt)) return;
  Task task{TaskKind::FindOwners, {}, asker_of(attempt->claim.requester)};
  const auto& owner = attempt->request.owner;
  attempt->claim.grantees = {owner.uids, owner.gids};
  for (const auto& name : owner.users) task.arguments.push_back("u" + name);
  for (const auto& name : owner.groups) task.arguments.push_back("g" + name);
  if (task.arguments.empty()) return choose(attempt);
  const auto names = task.arguments;
  const auto answer = [this, attempt, names](const TaskResult& result) {
    if (!result) return attempt->done(Refusal{result.error(), {}, {}});
    auto& found = attempt->claim.grantees;
    for (std::size_t at = 0; at < names.size() && at < result->size(); ++at) {
      const bool user = names[at].starts_with('u');
      const auto id = sysfs::number_from<unsigned>((*result)[at]);
      if (!id)
        return attempt->done(refusal(ErrorCode::OwnerNotFound, std::string("there is no ") + (user ? "user" : "group") +
                                                                   " '" + names[at].substr(1) + "' on this host"));
      (user ? found.uids : found.gids).push_back(*id);
    }
    choose(attempt);
  };
  engine_.services().run_task(std::move(task), within_deadline("the name service does not answer", answer));
}

// The same request with the same key may have got its devices while this one looked around.
bool Claims::is_made_already(const std::shared_ptr<Attempt>& attempt) {
  const auto& requester = attempt->claim.requester;
  const auto* known = same_key(attempt->request, requester);
  if (known != nullptr) answer_again(*known, attempt->request, requester, attempt->done);
  return known != nullptr;
}

// From here on the devices are kept from everybody else.
void Claims::hold(const std::shared_ptr<Attempt>& attempt) {
  auto& claim = attempt->claim;
  if (is_made_already(attempt)) return;
  claim.devices.clear();
  std::set<sysfs::PciAddress> added;
  for (const auto& address : attempt->chosen) {
    const auto group = group_of(address);
    const auto* device = engine_.services().inventory.find(address);
    if (device == nullptr)
      return attempt->done(
          refusal(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address)));
    if (const auto evidence = without_reset(attempt->request, group))
      return attempt->done(Refusal{{ErrorCode::Refused, evidence->detail}, {*evidence}, {}});
    const auto driver = driver_for(attempt->request, group).text();
    if (const auto holder = holder_of(*device); !holder.empty()) {
      auto evidence = claim_evidence(address, holder);
      return attempt->done(Refusal{{ErrorCode::Refused, evidence.detail}, {evidence}, {}});
    }
    const auto add = [&](const sysfs::Device& member, bool companion) {
      if (!added.insert(member.address).second) return;
      claim.devices.push_back({.address = member.address,
                               .vendor = member.vendor,
                               .device = member.device,
                               .iommu_group = member.iommu_group,
                               .driver = driver,
                               .companion = companion,
                               .inode = member.inode});
    };
    add(*device, false);
    for (const auto& member : group) {
      const bool chosen = std::ranges::find(attempt->chosen, member.address) != attempt->chosen.end();
      add(member, !chosen);
    }
  }
  claim.request = attempt->request;
  if (attempt->dry_run) return preview(attempt);
  claim.fencing_token = ++last_token_;
  claims_.emplace(claim.id, claim);
  holding_.insert(claim.id);
  order_.push_back(claim.id);
  connect(claim.id, claim.requester);
  stop_looking(*attempt);
  store(claim, [this, attempt](const sysfs::Result<>& stored) {
    if (stored && attempt->accepted) attempt->accepted(attempt->claim.id);
    if (stored) return bind(attempt);
    forget_connections(attempt->claim.id);
    holding_.erase(attempt->claim.id);
    claims_.erase(attempt->claim.id);
    std::erase(order_, attempt->claim.id);
    attempt->done(Refusal{stored.error(), {}, {}});
    made(attempt->claim.id);
    runs_.erase(attempt->claim.id);
  });
}

void Claims::preview(const std::shared_ptr<Attempt>& attempt) {
  engine_.submit(binding_of(attempt->claim), attempt->claim.requester, true, [attempt](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) return attempt->done(*refused);
    attempt->done(std::get<Preview>(decision));
  });
}

// One item for each group; a device without one is its own.
ChangeRequest Claims::binding_of(const Claim& claim) const {
  ChangeRequest request;
  request.kind = ChangeKind::Transaction;
  request.claim = claim.id;
  request.accept_risks = claim.request.accept_risks;
  std::set<unsigned> groups;
  for (const auto& device : claim.devices) {
    if (device.iommu_group && !groups.insert(*device.iommu_group).second) continue;
    ChangeRequest item;
    item.address = device.address;
    item.driver = sysfs::DriverName::parse(device.driver).value_or(default_vfio_driver());
    item.scope = Scope::Group;
    request.items.push_back(std::move(item));
  }
  return request;
}

void Claims::bind(const std::shared_ptr<Attempt>& attempt) {
  const auto& id = attempt->claim.id;
  engine_.submit(binding_of(claims_.at(id)), attempt->claim.requester, false,
                 [this, id, done = attempt->done](const Decision& decision) {
                   if (const auto* refused = std::get_if<Refusal>(&decision)) {
                     end(id, ClaimState::Released, "it was not made: " + refused->error.message);
                     return done(*refused);
                   }
                   auto& claim = claims_.at(id);
                   if (const auto* unchanged = std::get_if<Unchanged>(&decision)) {
                     note_settings(claim, unchanged->plan.transitions);
                     return activate(id, done);
                   }
                   claim.operation = std::get<Accepted>(decision).operation;
                   store(claim);
                   engine_.when_settled(claim.operation, [this, id, done] { bound(id, done); });
                 });
}

// The operation has ended, or hangs: then the caller is told that the claim is still being made.
void Claims::bound(const std::string& id, std::function<void(Outcome)> done) {
  const auto operation = claims_.at(id).operation;
  const auto found = engine_.find_operation(operation);
  if (found && (*found)->state == OperationState::Blocked) {
    done(Made{id});
    made(id);
    return engine_.when_ended(operation, [this, id] { bound(id, [](const Outcome&) {}); });
  }
  if (found && (*found)->state == OperationState::Succeeded) return activate(id, std::move(done));
  end(id, found && left_half_way(**found) ? ClaimState::Quarantined : ClaimState::Released,
      "it was not made: " + (found ? failure_of(**found) : "gone"));
  done(Failed{operation});
}

// What its operation has changed is what its end gives back.
void Claims::note_changes(Claim& claim) const {
  const auto operation = engine_.find_operation(claim.operation);
  if (operation && claim.changed.empty()) claim.changed = (*operation)->transitions;
}

// On its driver before, a VF may be told other settings while the claim has it.
void Claims::note_settings(Claim& claim, const std::vector<Transition>& transitions) {
  for (const auto& transition : transitions) {
    if (transition.vf_settings_before) claim.changed.push_back(transition);
  }
}

void Claims::activate(const std::string& id, std::function<void(Outcome)> done) {
  note_changes(claims_.at(id));
  look_at_access(id, [this, id, done = std::move(done)](const sysfs::Result<>& looked) {
    if (looked) return open_nodes(id, done);
    not_activated(id, looked.error(), "who has access to its nodes could not be kept", done);
  });
}

void Claims::open_nodes(const std::string& id, const std::function<void(Outcome)>& done) {
  grant(id, [this, id, done](const sysfs::Result<>& granted) {
    if (granted) return activated(id, done);
    not_activated(id, granted.error(), "its nodes could not be opened to its owner", done);
  });
}

void Claims::not_activated(const std::string& id, const sysfs::Error& error, const std::string& what,
                           const std::function<void(Outcome)>& done) {
  begin_release(id, what + ": " + error.message);
  done(Refusal{error, {}, {}});
  made(id);
}

void Claims::activated(const std::string& id, const std::function<void(Outcome)>& done) {
  auto& claim = claims_.at(id);
  if (auto published = hooks_.publish ? hooks_.publish(claim) : sysfs::Result<>(); !published)
    return not_activated(id, published.error(), "what its consumer reads could not be written", done);
  claim.state = ClaimState::Active;
  claim.made = true;
  claim.ttl = claim.request.ttl;
  if (claim.ttl) set_time_left(claim, *claim.ttl);
  audit(claim, AuditEvent::Begun);
  store(claim, [this, id, done](const sysfs::Result<>& stored) {
    if (!stored) return not_activated(id, stored.error(), "it could not be recorded", done);
    if (find(id)->state == ClaimState::Active) watch(id);
    done(Made{id});
    made(id);
  });
}

}  // namespace devbindd::handoff
