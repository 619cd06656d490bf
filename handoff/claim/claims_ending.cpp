// SPDX-License-Identifier: Apache-2.0
// How a claim ends: never while a device of it is open; then its nodes are closed to the owner, its devices given back,
// and looked at.
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "handoff/claim/claim_audit.hpp"
#include "handoff/claim/claims_parts.hpp"
#include "handoff/plan/verdict.hpp"
#include "vfio/nodes.hpp"

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

}  // namespace

// `done` gets everybody that is seen to have a device of the claim open, and whether one is open at all. Too many
// processes to look through in time: the enable count still tells. Error: Kernel, when devices cannot be read.
void Claims::find_holders(const std::string& id, const Asker& asker,
                          std::function<void(sysfs::Result<OpenDevices>)> done) {
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  std::vector<sysfs::Device> devices;
  for (const auto& claimed : claims_.at(id).devices) {
    const auto* device = engine_.services().inventory.find(claimed.address);
    if (device != nullptr && sysfs::is_vfio_bound(*device)) devices.push_back(*device);
  }
  engine_.find_holders(devices, asker,
                       [this, devices, done = std::move(done)](const std::vector<HoldersAnswer>& answers) {
                         OpenDevices found;
                         for (std::size_t at = 0; at < devices.size(); ++at) {
                           const auto& holders = answers[at];
                           if (!holders && holders.error().code != ErrorCode::Overdue)
                             return done(std::unexpected(holders.error()));
                           if (sysfs::is_open(engine_.services().tree, devices[at]) || (holders && !holders->empty()))
                             found.open.insert(devices[at].address);
                           for (const auto& holder : holders ? *holders : std::vector<vfio::Holder>{}) {
                             if (std::ranges::find(found.holders, holder) == found.holders.end())
                               found.holders.push_back(holder);
                           }
                         }
                         done(std::move(found));
                       });
}

// nullopt: it is active, or its end needs nothing more of anybody.
std::optional<Refusal> Claims::not_to_be_released(const std::string& id) const {
  const auto* claim = find(id);
  if (claim == nullptr) return refusal(ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64));
  const bool quarantined = claim->state == ClaimState::Quarantined;
  if (!quarantined && claim->state != ClaimState::Preparing) return std::nullopt;
  return refusal(ErrorCode::ClaimNotActive, "the claim is " + std::string(name_of(claim->state)) +
                                                (quarantined ? ": acknowledge it" : ": wait until it is made"));
}

void Claims::preview_release(const std::string& id, const Requester& requester, bool when_closed,
                             std::function<void(std::variant<Refusal, Preview>)> done) {
  if (auto no = not_to_be_released(id)) return done(std::move(*no));
  if (find(id)->state != ClaimState::Active) return done(Preview{});
  find_holders(id, asker_of(requester),
               [this, id, requester, when_closed, done = std::move(done)](const sysfs::Result<OpenDevices>& open) {
                 const auto* claim = find(id);
                 if (claim == nullptr || claim->state != ClaimState::Active) return done(Preview{});
                 if (!open) return done(Refusal{open.error(), {}, {}});
                 Preview preview;
                 if (!open->open.empty() && !when_closed) preview.refused_by.push_back(in_use_evidence(open->holders));
                 for (const auto& device : claim->devices) {
                   const auto step = reset_of(*claim, device);
                   if (!step) continue;
                   if (has_reset(device.address))
                     preview.plan.steps.push_back({.step = *step, .undo = {}});
                   else if (claim->request.reset == ReleaseReset::Required)
                     preview.plan.evidence.push_back(no_reset_evidence(device.address));
                 }
                 auto request = give_back_of(*claim);
                 if (request.items.empty()) return done(std::move(preview));
                 engine_.submit(std::move(request), requester, true, [preview, done](const Decision& decision) mutable {
                   if (const auto* refused = std::get_if<Refusal>(&decision)) return done(*refused);
                   add(preview, std::get<Preview>(decision));
                   done(std::move(preview));
                 });
               });
}

void Claims::release(const std::string& id, const Requester& requester, bool when_closed,
                     std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted) {
  if (auto no = not_to_be_released(id)) return done(std::move(no));
  if (const auto state = find(id)->state; state != ClaimState::Active) return done(std::nullopt);
  const auto found = [this, id, requester, when_closed, done = std::move(done),
                      accepted = std::move(accepted)](const sysfs::Result<OpenDevices>& open) {
    const auto* still = find(id);
    if (still == nullptr || still->state != ClaimState::Active) return done(std::nullopt);
    if (!open) return done(Refusal{open.error(), {}, {}});
    if (!open->open.empty() && !when_closed) {
      const auto evidence = in_use_evidence(open->holders);
      return done(Refusal{{ErrorCode::ClaimInUse, "a device of the claim is still open"}, {evidence}, {}});
    }
    runs_[id].when_released.push_back(done);
    claims_.at(id).ended_by = requester;
    begin_release(id, "it was released");
    if (accepted) accepted();
  };
  find_holders(id, asker_of(requester), found);
}

void Claims::begin_release(const std::string& id, std::string reason) {
  const auto found = claims_.find(id);
  if (found == claims_.end()) return;
  auto& claim = found->second;
  if (claim.state != ClaimState::Active && claim.state != ClaimState::Preparing) return;
  claim.state = ClaimState::Releasing;
  claim.cause = reason;
  claim.reason = std::move(reason);
  begin_grace(claim);
  if (const auto stop = std::exchange(runs_[id].stop_watching, nullptr)) stop();
  withdraw(claim);
  store(claim, [this, id](const sysfs::Result<>& stored) {
    warn(stored);
    release_when_closed(id);
  });
}

// Its grace is over, and what is still open is something that the kernel can take back: what was bound for it.
bool Claims::is_taken_back(const Claim& claim, const std::set<sysfs::PciAddress>& open) {
  if (!claim.request.restore || !is_grace_over(claim)) return false;
  return std::ranges::all_of(open, [&claim](const sysfs::PciAddress& address) {
    const auto changed = std::ranges::find(claim.changed, address, &Transition::address);
    return changed != claim.changed.end() && changed->driver_before != changed->driver_after;
  });
}

// First nobody can open a node any longer, or an owner could keep the devices for ever; what is open stays so.
void Claims::release_when_closed(const std::string& id) {
  revoke(id, [this, id](const sysfs::Result<>& revoked) {
    if (!revoked) {
      auto reason = "its nodes could not be closed to its owner: " + revoked.error().message;
      return passes({revoked.error(), {}, {}}) ? try_again(id, std::move(reason))
                                               : fail_once_more(id, std::move(reason));
    }
    find_holders(id, {}, [this, id](sysfs::Result<OpenDevices> open) {
      if (!open) return try_again(id, "its devices cannot be read: " + open.error().message);
      claims_.at(id).holders = std::move(open->holders);
      if (!open->open.empty() && !is_taken_back(claims_.at(id), open->open)) return try_again(id, {});
      look_for_hidden(id, [this, id, open = std::move(open->open)](bool hidden) {
        if (!hidden) return give_back(id, open);
        try_again(id,
                  "a group of it is open still, by no process that can be seen: the descriptor may wait in a socket");
      });
    });
  });
}

// A descriptor of a group, as it is passed from one process to another, is in none. Where the device stays on VFIO it
// would outlive the claim: whoever takes it then has the next owner's device. A group is open once at a time. Source:
// vfio_group_fops_open() in drivers/vfio/group.c. A group of which one goes to its own driver is not viable any more.
void Claims::look_for_hidden(const std::string& id, std::function<void(bool)> done) {
  const auto& claim = claims_.at(id);
  const auto& services = engine_.services();
  const auto given_back = give_back_of(claim);
  std::set<std::string> staying;
  std::set<std::string> leaving;
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    const auto is_it = [&claimed](const ChangeRequest& item) { return item.address == claimed.address; };
    const auto nodes = device != nullptr ? vfio::nodes_of(services.tree, *device) : sysfs::Result<vfio::DeviceNodes>();
    if (!nodes || !nodes->group || !is_as_claimed(claimed, device)) continue;
    (std::ranges::any_of(given_back.items, is_it) ? leaving : staying).insert(nodes->group->path);
  }
  for (const auto& group : leaving) staying.erase(group);
  if (staying.empty()) return done(false);
  Task task{TaskKind::OpenNodes, {staying.begin(), staying.end()}};
  const auto looked = [done = std::move(done)](const TaskResult& result) {
    done(!result && result.error().errno_value == EBUSY);
  };
  services.run_task(std::move(task), within_deadline("opening the nodes takes too long", looked));
}

void Claims::try_again(const std::string& id, std::string reason) {
  if (!reason.empty()) claims_.at(id).reason = std::move(reason);
  told(id);
  if (engine_.services().after) engine_.services().after(look_again, [this, id] { release_when_closed(id); });
}

void Claims::fail_once_more(const std::string& id, std::string reason) {
  if (++runs_[id].failures < most_failures) return try_again(id, std::move(reason));
  end(id, ClaimState::Quarantined, std::move(reason));
}

// What the claim's own operation changed goes back to how it was before; what was on VFIO before it stays there.
// Devices that are gone, or another one in their place, are left, and so are those that are not well: a driver's probe
// would hang on them.
ChangeRequest Claims::give_back_of(const Claim& claim) const {
  ChangeRequest request;
  request.kind = ChangeKind::Transaction;
  request.claim = claim.id;
  request.accept_risks = claim.request.accept_risks;
  // The unbind then waits in the kernel, which asks the consumer to let go. Source: vfio_main.c, the device's
  // `request`.
  request.after_grace = is_grace_over(claim);
  if (request.after_grace) request.accept_risks.emplace_back("vfio.open");
  const auto run = runs_.find(claim.id);
  for (const auto& transition : claim.changed) {
    if (run != runs_.end() && run->second.faults.contains(transition.address)) continue;
    const auto* device = engine_.services().inventory.find(transition.address);
    if (!claim.request.restore || device == nullptr) continue;
    const auto claimed = std::ranges::find(claim.devices, transition.address, &ClaimedDevice::address);
    if (claimed != claim.devices.end() && is_another(*claimed, *device)) continue;
    // Whoever has given it to another driver meanwhile had his reasons. One without a driver is not left so, unless
    // it is kept for its settings only.
    const auto driver = device->driver ? std::optional(device->driver->text()) : std::nullopt;
    const bool was_bound = transition.driver_before == transition.driver_after;
    if (driver != transition.driver_after && (driver || was_bound)) continue;
    ChangeRequest item;
    item.kind = ChangeKind::Restore;
    item.address = transition.address;
    item.scope = Scope::Device;
    item.earlier = EarlierBinding{transition.driver_before, transition.override_before, transition.vf_settings_before};
    request.items.push_back(std::move(item));
  }
  return request;
}

void Claims::give_back(const std::string& id, const std::set<sysfs::PciAddress>& open) {
  if (is_being_recovered(claims_.at(id)))
    return fail_once_more(id, "the kernel has not ended the recovery of one of its devices from an error");
  runs_[id].faults.clear();
  reset_devices(id, 0, open, [this, id] { check_health(id, [this, id] { give_back_healthy(id); }); });
}

// Tried dry first, so that what has to wait does not fill the audit.
void Claims::give_back_healthy(const std::string& id) {
  const auto& claim = claims_.at(id);
  auto request = give_back_of(claim);
  request.ends_claim = true;
  if (request.items.empty()) return given_back_or_quarantined(id);
  engine_.submit(request, claim.requester, true, [this, id, request](const Decision& decision) {
    if (const auto* refused = std::get_if<Refusal>(&decision)) return not_given_back(id, *refused);
    const auto& preview = std::get<Preview>(decision);
    if (!preview.refused_by.empty()) {
      return not_given_back(id, {{ErrorCode::Refused, preview.refused_by.front().detail}, preview.refused_by, {}});
    }
    engine_.submit(request, claims_.at(id).requester, false, [this, id](const Decision& made) {
      if (const auto* refused = std::get_if<Refusal>(&made)) return not_given_back(id, *refused);
      if (std::holds_alternative<Unchanged>(made)) return given_back_or_quarantined(id);
      auto& ending = claims_.at(id);
      ending.release_operation = std::get<Accepted>(made).operation;
      store(ending);
      engine_.when_settled(ending.release_operation, [this, id, operation = ending.release_operation] {
        if (engine_.is_blocked(operation)) told(id);
      });
      engine_.when_ended(ending.release_operation, [this, id] { given_back(id); });
    });
  });
}

void Claims::not_given_back(const std::string& id, const Refusal& refusal) {
  auto reason = "it cannot be given back yet: " + refusal.error.message;
  if (passes(refusal)) return try_again(id, std::move(reason));
  fail_once_more(id, std::move(reason));
}

// Whether the failed give-back is tried again without the device that has spoilt it for all: one that has been pulled
// meanwhile, or that its driver does not take. Each time there is one less.
bool Claims::is_left_out(const std::string& id, const Operation& operation) {
  if (!operation.error || left_half_way(operation) || !engine_.current()) return false;
  for (const auto& transition : operation.transitions) {
    if (engine_.services().inventory.find(transition.address) == nullptr) return true;
  }
  const auto culprit = operation.error->step ? operation.error->step->address : std::nullopt;
  return culprit &&
         runs_[id]
             .faults
             .emplace(*culprit, "giving " + sysfs::to_string(*culprit) + " back failed: " + failure_of(operation))
             .second;
}

void Claims::given_back(const std::string& id) {
  const auto operation = engine_.find_operation(claims_.at(id).release_operation);
  if (operation && (*operation)->state == OperationState::Succeeded)
    return check_health(id, [this, id] { given_back_or_quarantined(id); });
  if (operation && is_left_out(id, **operation)) return give_back_healthy(id);
  const auto faults = faults_of(id);
  end(id, ClaimState::Quarantined,
      "giving it back failed: " + (operation ? failure_of(**operation) : "unknown") +
          (faults.empty() ? "" : "; " + faults));
}

void Claims::given_back_or_quarantined(const std::string& id) {
  auto faults = faults_of(id);
  const auto& claim = claims_.at(id);
  if (faults.empty()) return end(id, ClaimState::Released, claim.cause.empty() ? claim.reason : claim.cause);
  end(id, ClaimState::Quarantined, std::move(faults));
}

void Claims::end(const std::string& id, ClaimState state, std::string reason) {
  auto& run = runs_[id];
  run.nodes_closed = false;
  run.late_reads = 0;
  run.failures = 0;
  run.faults.clear();
  auto& claim = claims_.at(id);
  claim.state = state;
  claim.reason = std::move(reason);
  if (!holds_devices(claim)) claim.ended_at = now();
  claim.holders.clear();
  claim.expires_at.reset();
  claim.expires_uptime.reset();
  forget_connections(id);
  if (engine_.services().inform && state != ClaimState::Released)
    engine_.services().inform("claim " + id + " is " + std::string(name_of(state)) + ": " + claim.reason);
  audit(claim, AuditEvent::Ended);
  store(claim, [this, id](const sysfs::Result<>& stored) {
    warn(stored);
    told(id);
    made(id);
  });
  if (holds_devices(claim)) return;
  if (hooks_.freed) hooks_.freed(claim);
  forget_oldest(id);
}

void Claims::audit(const Claim& claim, AuditEvent event) {
  const bool ended = event == AuditEvent::Ended && claim.ended_by;
  record(engine_.services().journal, claim, event, ended ? *claim.ended_by : claim.requester,
         [this](const sysfs::Result<>& stored) { warn(stored); });
}

// The list has those that are over in the order in which they ended; the oldest of them go, except for those whose key
// is known. Of these the oldest go too where one user has too many.
void Claims::forget_oldest(const std::string& ended) {
  holding_.erase(ended);
  std::erase(order_, ended);
  order_.push_back(ended);
  std::vector<std::string> others;
  std::map<std::optional<unsigned>, std::vector<std::string>> kept;
  for (const auto& id : order_) {
    const auto& claim = claims_.at(id);
    if (holds_devices(claim)) continue;
    const bool known = is_key_known(claim);
    (known ? kept[claim.requester.uid] : others).push_back(id);
    if (!known && claim.made && !claim.request.idempotency_key.empty()) drop_key(id);  // its day is over
  }
  for (std::size_t at = 0; at + max_ended_claims < others.size(); ++at) forget(others[at]);
  for (const auto& [uid, ids] : kept) {
    if (ids.size() > max_keys_each) drop_key(ids.front());
  }
}

void Claims::forget(const std::string& id) {
  std::erase(order_, id);
  claims_.erase(id);
  runs_.erase(id);
}

// From now on it is one of the others that are over.
void Claims::drop_key(const std::string& id) {
  auto& claim = claims_.at(id);
  claim.made = false;
  store(claim);
}

// Whoever asked for the release learns how it stands.
void Claims::told(const std::string& id) {
  const auto run = runs_.find(id);
  if (run == runs_.end()) return;
  for (const auto& done : std::exchange(run->second.when_released, {})) done(std::nullopt);
}

void Claims::acknowledge(const std::string& id, const Requester& requester, std::function<void(sysfs::Result<>)> done) {
  const auto found = claims_.find(id);
  if (found == claims_.end())
    return done(sysfs::fail(ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64)));
  auto& claim = found->second;
  if (claim.state != ClaimState::Quarantined) {
    return done(sysfs::fail(ErrorCode::ClaimNotActive, "the claim is " + std::string(name_of(claim.state)) +
                                                           ": only a quarantined one is acknowledged"));
  }
  // It may be here since its nodes could not be closed: the next claim's owner is not to share them.
  revoke(id, [this, id, requester, done = std::move(done)](sysfs::Result<> revoked) {
    const auto still = claims_.find(id);
    if (still != claims_.end()) runs_[id].nodes_closed = false;
    const bool waits = still != claims_.end() && still->second.state == ClaimState::Quarantined;
    if (!revoked || !waits) return done(std::move(revoked));
    auto& acknowledged = still->second;
    acknowledged.state = ClaimState::Released;
    acknowledged.ended_at = now();
    acknowledged.reason = "it was acknowledged: " + acknowledged.reason;
    acknowledged.ended_by = requester;
    audit(acknowledged, AuditEvent::Ended);
    if (hooks_.freed) hooks_.freed(acknowledged);
    forget_oldest(id);
    store(acknowledged, done);
  });
}

}  // namespace devbindd::handoff
