// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/engine.hpp"

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include "handoff/journal/rows.hpp"
#include "handoff/model/audit.hpp"
#include "handoff/operation/engine_parts.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::size_t max_running = 64;
constexpr const char* too_many_operations = "too many operations are under way";

std::string new_id() { return boost::uuids::to_string(boost::uuids::random_generator()()); }

Original original_of(const MemberFacts& member, Scope scope, const std::string& operation) {
  auto original = original_for(member.device);
  if (member.device.driver) original.driver = member.device.driver->text();
  original.driver_override = member.driver_override;
  original.vf_settings = member.vf_settings;
  original.scope = scope;
  original.operation = operation;
  return original;
}

// Nobody needs the VFs' token any longer, which is a secret.
void forget_tokens(Operation& operation) {
  if (operation.request.functions) operation.request.functions->vf_token.clear();
  for (auto& step : operation.steps) {
    if (step.planned.step.kind == sysfs::StepKind::SetVfToken) step.planned.step.argument.clear();
    for (auto& undo : step.planned.undo)
      if (undo.kind == sysfs::StepKind::SetVfToken) undo.argument.clear();
  }
}

AuditRow row_of(const Operation& operation, AuditEvent event) {
  std::vector<sysfs::PciAddress> devices;
  for (const auto& transition : operation.transitions) devices.push_back(transition.address);
  return row_of(audit_of(operation, event), devices);
}

std::vector<sysfs::PciAddress> devices_asked_for(const ChangeRequest& request) {
  std::vector<sysfs::PciAddress> devices;
  for (const auto& part : parts_of(request)) {
    if (part.address) devices.push_back(*part.address);
  }
  return devices;
}

// A give-back of what devbindd did not bind.
bool lacks_original(const Part& part) {
  const auto& members = part.facts.members;
  const auto known = [](const MemberFacts& member) { return member.original.has_value(); };
  const auto on_vfio = [](const MemberFacts& member) { return sysfs::is_vfio_bound(member.device); };
  return part.request.kind == ChangeKind::Restore && std::ranges::none_of(members, known) &&
         std::ranges::any_of(members, on_vfio);
}

Decision refuse(ErrorCode code, std::string message) { return Refusal{{code, std::move(message)}, {}, {}}; }

// A change of the number of VFs leaves those alone that keep their driver, however they are.
bool settles(const Operation& operation, const Transition& transition) {
  if (operation.request.kind != ChangeKind::SetVfs || transition.remade) return true;
  return std::ranges::any_of(operation.steps, [&transition](const StepRecord& record) {
    return record.planned.step.address == transition.address;
  });
}

}  // namespace

Engine::Engine(Services services)
    : services_(std::move(services)),
      overrides_(services_.run_task),
      configs_(services_.run_task),
      attributes_(services_.run_task),
      vital_product_data_(services_.run_task, "its vital product data"),
      usage_(services_.run_task, "how the host uses it"),
      vf_settings_(services_.run_task, "the settings of its virtual functions"),
      damaged_(services_.journal.remembered().damaged),
      alternative_names_(services_.run_task, "the alternative names of interfaces"),
      drains_(services_.journal, [this](DamagedRow row) { set_aside(std::move(row)); }) {
  adopt(services_.journal.remembered());
}

Engine::~Engine() = default;

// What an earlier daemon left: its originals, so that a give-back still works, and its operations.
void Engine::adopt(const Remembered& remembered) {
  for (const auto& original : remembered.originals) originals_.emplace(original.address, original);
  for (const auto& row : remembered.operations) {
    auto operation = operation_of(row);
    if (!operation) {
      set_aside({.table = "operations", .key = row.id, .reason = std::move(operation.error())});
      continue;
    }
    if (is_finished(*operation))
      past_.push_back(std::make_shared<const Operation>(std::move(*operation)));
    else
      adopt_unfinished(std::move(*operation));
  }
  adopt_half_way();
}

void Engine::set_aside(DamagedRow row) {
  if (std::ranges::find(damaged_, row) != damaged_.end()) return;
  if (services_.warn)
    services_.warn("the row " + row.key + " of the state database's table " + row.table + " is damaged (" + row.reason +
                   ") and kept aside in its table damaged");
  damaged_.push_back(row);
  if (damaged_.size() > max_damaged_rows) damaged_.erase(damaged_.begin());
  services_.journal.set_aside(std::move(row), [this](const sysfs::Result<>& stored) { warn(stored); });
}

// The newest operation that changed a device tells how it was left.
void Engine::adopt_half_way() {
  std::set<sysfs::PciAddress> told;
  for (const auto& operation : past_) {
    if (operation->boot_id != services_.boot_id) continue;
    const bool succeeded = operation->state == OperationState::Succeeded;
    for (const auto& transition : operation->transitions) {
      const auto& address = transition.address;
      const bool half_way = operation->error && (std::ranges::count(operation->error->unrestored, address) > 0 ||
                                                 std::ranges::count(operation->error->unknown, address) > 0);
      const bool settled = succeeded && settles(*operation, transition);
      if ((!settled && !half_way) || !told.insert(address).second) continue;
      if (half_way) half_way_.emplace(address, operation->id);
    }
  }
}

// A VF that a running operation destroys may come back by its undo.
bool Engine::is_remade(const sysfs::PciAddress& address) const {
  return std::ranges::any_of(running_, [&address](const auto& entry) {
    return std::ranges::any_of(entry.second->operation->transitions, [&address](const Transition& transition) {
      return transition.address == address && transition.remade;
    });
  });
}

// While no daemon ran nobody told of devices that were removed: what is remembered of them is void.
void Engine::forget_devices_of_before() {
  std::vector<sysfs::PciAddress> gone;
  for (const auto& [address, original] : originals_) {
    const auto* device = services_.inventory.find(address);
    const bool same = device != nullptr && same_identity(original, *device);
    if (!same && !is_remade(address)) gone.push_back(address);
  }
  if (gone.empty()) return;
  for (const auto& address : gone) {
    originals_.erase(address);
    half_way_.erase(address);
  }
  services_.journal.forget(std::move(gone), [this](const sysfs::Result<>& stored) { warn(stored); });
}

// The next device at the address is another one, even of the same make.
void Engine::take(const sysfs::UeventBatch& batch) {
  services_.inventory.apply(batch);
  std::vector<sysfs::PciAddress> gone;
  for (const auto& event : batch.events) {
    if (event.action != "remove" || event.subsystem != "pci") continue;
    const auto addresses = sysfs::addresses_in(event.devpath);
    if (addresses.empty() || is_remade(addresses.back())) continue;
    half_way_.erase(addresses.back());
    forget_drain(addresses.back());
    if (originals_.erase(addresses.back()) > 0) gone.push_back(addresses.back());
  }
  if (gone.empty()) return;
  services_.journal.forget(std::move(gone), [this](const sysfs::Result<>& stored) { warn(stored); });
}

sysfs::Result<const sysfs::Inventory*> Engine::current() {
  take(services_.drain_uevents());
  for (const auto& [id, running] : running_) {
    for (const auto& transition : running->operation->transitions)
      services_.inventory.mark_if_moved(transition.address);
  }
  auto done = services_.inventory.refresh();
  if (!done) return std::unexpected(done.error());
  return &services_.inventory;
}

sysfs::Result<sysfs::Device> Engine::find_device(const sysfs::PciAddress& address) {
  auto inventory = current();
  if (!inventory) return std::unexpected(inventory.error());
  if (const auto* known = (*inventory)->find(address)) {
    auto device = *known;
    device.enable_count = sysfs::enable_count_of(services_.tree, device);
    return device;
  }
  return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address));
}

void Engine::submit(ChangeRequest request, Requester requester, bool dry_run, std::function<void(Decision)> decide) {
  if (!dry_run && services_.read_only) {
    return decide(refuse(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  }
  if (stopping_) return decide(refuse(ErrorCode::ShuttingDown, "devbindd is stopping"));
  if (running_.size() >= max_running) return decide(refuse(ErrorCode::TooBusy, too_many_operations));
  auto gathering = std::make_shared<Gathering>();
  gathering->request = std::move(request);
  gathering->requester = std::move(requester);
  if (!gathering->request.ends_claim) gathering->asker = asker_of(gathering->requester);
  gathering->dry_run = dry_run;
  gathering->decide = dry_run ? std::move(decide) : audited(*gathering, std::move(decide));
  gather(std::move(gathering));
}

// A refusal is on disk before it is told.
std::function<void(Decision)> Engine::audited(const Gathering& gathering, std::function<void(Decision)> decide) {
  return [this, request = gathering.request, requester = gathering.requester,
          decide = std::move(decide)](Decision decision) {
    const auto* refusal = std::get_if<Refusal>(&decision);
    if (refusal == nullptr || refusal->error.code == ErrorCode::JournalFailed) return decide(std::move(decision));
    AuditEntry entry{.at = std::chrono::system_clock::now(),
                     .event = AuditEvent::Refused,
                     .requester = requester,
                     .request = request,
                     .operation = refusal->operation,
                     .outcome = std::string(sysfs::name_of(refusal->error.code)),
                     .detail = refusal->error.message,
                     .evidence = {},
                     .accepted = {},
                     .looked_at = refusal->looked_at};
    for (const auto& item : refusal->evidence) entry.evidence.push_back(item.code);
    services_.journal.record(row_of(entry, devices_asked_for(request)),
                             [this, decide, decision = std::move(decision)](const auto& stored) {
                               warn(stored);
                               decide(decision);
                             });
  };
}

void Engine::decide(const std::shared_ptr<Gathering>& gathering) {
  const auto& request = gathering->request;
  if (!gathering->recovers.empty()) return decide_recovery(gathering);
  if (const auto holder = locks_.holder_of(lock_keys(*gathering)); !holder.empty()) {
    return gathering->decide(in_the_way(holder));
  }
  // A claim may have been made since the facts were gathered.
  for (auto& part : gathering->parts) {
    for (auto& member : part.facts.members) {
      member.claimed_by = other_claim(part.request, member.device);
      const auto* drain = drains_.find(member.device);
      member.drained = drain != nullptr ? std::optional(drain->reason) : std::nullopt;
    }
  }
  for (const auto& part : gathering->parts) {
    if (!lacks_original(part)) continue;
    return gathering->decide(
        refuse(ErrorCode::NothingToRestore, "devbindd did not bind " + sysfs::to_string(*part.request.address) +
                                                " and does not know what was there before: ask for the driver by PUT"));
  }
  auto made = plan(gathering->parts);
  auto refused_by = blocking(made.evidence, request.accept_risks);
  if (gathering->dry_run) return gathering->decide(Preview{std::move(made), std::move(refused_by)});
  // Where the wanted state is there already, only this still says no.
  const auto always_refuses = [&request](const Evidence& item) {
    const bool counts_functions = request.kind == ChangeKind::SetVfs;  // whose claims are no news to who made them
    return item.code == "device.stuck" || item.code == "device.drained" ||
           (item.code == "claim.held" && !counts_functions) || item.code.starts_with("sriov.") ||
           (item.code == "vfio.open" && !request.claim.empty());
  };
  if (made.steps.empty() && std::ranges::none_of(refused_by, always_refuses)) {
    return gathering->decide(Unchanged{std::move(made)});
  }
  if (!refused_by.empty()) {
    auto detail = refused_by.front().detail;
    if (refused_by.size() > 1) detail += " (and more: see blockers)";
    return gathering->decide(
        Refusal{{ErrorCode::Refused, std::move(detail)}, std::move(refused_by), {}, std::move(made.looked_at)});
  }
  begin(gathering, std::move(made));
}

// How the devices are that devbindd has not touched before.
void Engine::add_originals(const Part& part, const std::string& operation, std::vector<Original>& originals) const {
  const auto scope = part.request.scope.value_or(Scope::Device);
  for (const auto& member : part.facts.members) {
    const bool counted = part.request.kind == ChangeKind::SetVfs && part.request.address == member.device.address;
    if (counted || member.to_vanish) continue;  // keeps its driver; has nothing to be given back
    if (!originals_.contains(member.device.address) || !member.original)
      originals.push_back(original_of(member, scope, operation));
  }
  for (const auto& address : part.facts.id_captures) {
    const auto* device = services_.inventory.find(address);
    if (device == nullptr || originals_.contains(address) || part.request.kind == ChangeKind::RemoveId) continue;
    originals.push_back(original_of({.device = *device}, Scope::Device, operation));
  }
}

sysfs::Result<RunTask> Engine::open_lane() const {
  return services_.open_lane ? services_.open_lane() : services_.run_task;
}

// From its acceptance on it has a worker, and does not depend on what others ask.
void Engine::begin(const std::shared_ptr<Gathering>& gathering, Plan made) {
  auto lane = running_.size() < max_running ? open_lane() : sysfs::fail(ErrorCode::TooBusy, too_many_operations);
  if (!lane) return gathering->decide(Refusal{lane.error(), {}, {}, std::move(made.looked_at)});
  auto running = std::make_unique<Running>();
  running->lane = std::move(*lane);
  auto& operation = *running->operation;
  operation.id = new_id();
  operation.boot_id = services_.boot_id;
  operation.request = gathering->request;
  operation.requester = gathering->requester;
  operation.created_at = std::chrono::system_clock::now();
  operation.transitions = made.transitions;
  operation.evidence = made.evidence;
  operation.looked_at = made.looked_at;
  for (auto& planned : made.steps) operation.steps.push_back({std::move(planned), StepState::Pending, {}, {}, 0, {}});
  for (const auto& part : gathering->parts) add_originals(part, operation.id, running->new_originals);
  running->lock = locks_.take(lock_keys(*gathering), operation.id);
  const auto id = operation.id;
  auto row = row_of(operation);
  row.audit = row_of(operation, AuditEvent::Begun);
  auto originals = running->new_originals;
  running_.emplace(id, std::move(running));
  services_.journal.begin(std::move(row), std::move(originals), [this, gathering, id](const sysfs::Result<>& stored) {
    if (!stored) {
      running_.erase(id);
      return gathering->decide(Refusal{stored.error(), {}, {}});
    }
    gathering->decide(Accepted{id});
    started(id);
  });
}

void Engine::started(const std::string& id) {
  auto& running = *running_.at(id);
  for (const auto& original : running.new_originals) originals_.insert_or_assign(original.address, original);
  running.execution = std::make_shared<Execution>(
      running.operation, services_.tree, std::exchange(running.lane, {}), services_.run_task,
      Execution::Hooks{.on_change = [this, id] { notify(id); }, .on_end = [this, id] { ended(id); }});
  running.execution->start();
}

// A device that is again as devbindd found it needs no record; one whose change failed and was undone neither.
std::vector<sysfs::PciAddress> Engine::originals_to_forget(const Operation& operation) const {
  std::vector<sysfs::PciAddress> forget;
  for (const auto& transition : operation.transitions) {
    const auto original = originals_.find(transition.address);
    if (original == originals_.end()) continue;
    const bool succeeded = operation.state == OperationState::Succeeded;
    const bool undone = operation.error && operation.error->restored == true;
    const auto& driver = succeeded ? transition.driver_after : transition.driver_before;
    const auto& driver_override = succeeded ? transition.override_after : transition.override_before;
    const bool replaced = succeeded && transition.remade;
    const bool as_found = driver == original->second.driver && driver_override == original->second.driver_override;
    const bool gone = !sysfs::exists(services_.tree, sysfs::paths::device(transition.address));
    if (((succeeded || undone) && as_found) || gone || replaced) forget.push_back(transition.address);
  }
  return forget;
}

void Engine::mark_half_way(const Operation& operation) {
  if (operation.state == OperationState::Succeeded) {
    for (const auto& transition : operation.transitions) {
      if (settles(operation, transition)) half_way_.erase(transition.address);
    }
  }
  if (!operation.error) return;
  for (const auto* left : {&operation.error->unrestored, &operation.error->unknown}) {
    for (const auto& address : *left) half_way_.insert_or_assign(address, operation.id);
  }
}

std::string Engine::left_half_way_by(const sysfs::PciAddress& address) const {
  const auto found = half_way_.find(address);
  return found == half_way_.end() ? std::string{} : found->second;
}

void Engine::forget_drain(const sysfs::PciAddress& address) {
  if (drains_.contains(address)) drains_.clear(address, [this](const auto& stored) { warn(stored); });
}

// The next function at the address is another one, unless this operation itself has made it anew.
void Engine::forget_drains_of_gone(const Operation& operation) {
  if (operation.state != OperationState::Succeeded) return;
  for (const auto& transition : operation.transitions) {
    if (!transition.there_after) forget_drain(transition.address);
  }
}

void Engine::ended(const std::string& id) {
  auto& running = *running_.at(id);
  take(services_.drain_uevents());  // those of its own writes, while it is known that it made them
  const auto forget = originals_to_forget(*running.operation);
  for (const auto& address : forget) originals_.erase(address);
  mark_half_way(*running.operation);
  forget_drains_of_gone(*running.operation);
  for (const auto& transition : running.operation->transitions) services_.inventory.mark(transition.address);
  if (is_id_change(running.operation->request.kind) || running.operation->request.method == Method::NewId)
    services_.inventory.mark_all();
  auto row = row_of(*running.operation);
  row.audit = row_of(*running.operation, AuditEvent::Ended);
  // The answer waits for the disk: what is told as done stays told after a crash.
  services_.journal.finish(std::move(row), forget, [this, id](const sysfs::Result<>& stored) {
    warn(stored);
    forget_tokens(*running_.at(id)->operation);
    past_.push_front(running_.at(id)->operation);
    if (past_.size() > max_operations) past_.pop_back();
    running_.erase(id);
    ++ended_count_;
    notify(id);
    const auto waiting = waiting_for_end_.extract(id);
    if (waiting.empty()) return;
    for (const auto& ready : waiting.mapped()) ready();
  });
}

LockKeys Engine::lock_keys(const Gathering& gathering) const {
  std::vector<sysfs::Device> devices;
  for (const auto& part : gathering.parts) {
    for (const auto& member : part.facts.members) devices.push_back(member.device);
    for (const auto& address : part.facts.id_captures) {
      if (const auto* device = services_.inventory.find(address)) devices.push_back(*device);
    }
  }
  auto keys = keys_of(devices);
  if (is_id_change(gathering.request.kind)) keys.insert("driver " + gathering.request.driver->text());
  return keys;
}

sysfs::Result<std::function<void()>> Engine::reserve(const sysfs::Device& device) {
  if (services_.read_only)
    return sysfs::fail(ErrorCode::ReadOnly, "devbindd runs with --read-only: it opens no device");
  if (stopping_) return sysfs::fail(ErrorCode::ShuttingDown, "devbindd is stopping");
  const auto keys = keys_of({device});
  if (const auto holder = locks_.holder_of(keys); !holder.empty()) {
    return std::unexpected(std::get<Refusal>(in_the_way(holder)).error);
  }
  return [this, lock = std::make_shared<DeviceLocks::Lock>(locks_.take(keys, probe_holder))] {
    *lock = {};
    ++ended_count_;  // a probe resets the device: facts that were gathered meanwhile are stale
  };
}

// An end that did not reach the disk changes nothing on the host; the next daemon will tell the operation as
// interrupted.
void Engine::warn(const sysfs::Result<>& stored) const {
  if (!stored && services_.warn) services_.warn(stored.error().message);
}

void Engine::notify(const std::string& id) {
  // An operation that has ended is settled only when the journal has its end (it is then no longer among the running).
  const auto found = running_.find(id);
  if (found != running_.end() && found->second->operation->state != OperationState::Blocked) return;
  const auto waiting = waiting_.extract(id);
  if (waiting.empty()) return;
  for (const auto& ready : waiting.mapped()) ready();
}

void Engine::when_settled(const std::string& id, std::function<void()> ready) {
  const auto found = running_.find(id);
  if (found == running_.end() || found->second->operation->state == OperationState::Blocked) return ready();
  waiting_[id].push_back(std::move(ready));
}

void Engine::when_ended(const std::string& id, std::function<void()> ready) {
  if (!running_.contains(id)) return ready();
  waiting_for_end_[id].push_back(std::move(ready));
}

bool Engine::is_blocked(const std::string& id) const {
  const auto found = running_.find(id);
  return found != running_.end() && found->second->operation->state == OperationState::Blocked;
}

bool Engine::busy() const {
  return std::ranges::any_of(
      running_, [](const auto& entry) { return entry.second->operation->state != OperationState::Blocked; });
}

}  // namespace devbindd::handoff
