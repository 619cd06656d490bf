#include "handoff/engine.hpp"

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <nlohmann/json.hpp>

#include "handoff/json.hpp"
#include "sysfs/pci_driver.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::size_t max_running = 64;
constexpr int max_gather_rounds = 4;

std::string new_id() { return boost::uuids::to_string(boost::uuids::random_generator()()); }

Original original_of(const MemberFacts& member, Scope scope, const std::string& operation) {
  const auto& device = member.device;
  return {.address = device.address,
          .vendor = device.vendor,
          .device = device.device,
          .subsystem_vendor = device.subsystem_vendor,
          .subsystem_device = device.subsystem_device,
          .driver = device.driver ? std::optional(device.driver->text()) : std::nullopt,
          .driver_override = member.driver_override,
          .scope = scope,
          .operation = operation};
}

OperationRow row_of(const Operation& operation) {
  return {operation.id, rfc3339(operation.created_at), std::string(name_of(operation.state)), dump(to_json(operation))};
}

Decision refuse(ErrorCode code, std::string message) { return Refusal{{code, std::move(message)}, {}, {}}; }

std::string device_key(const sysfs::Device& device) {
  return device.iommu_group ? "group " + std::to_string(*device.iommu_group)
                            : "device " + sysfs::to_string(device.address);
}

// What stands in the lock table instead of an operation's id while a device is probed.
const std::string probe_holder = "an active probe";

Decision in_the_way(const std::string& holder) {
  const bool probe = holder == probe_holder;
  return Refusal{{ErrorCode::OperationInProgress,
                  (probe ? holder : "operation " + holder) + " works on this device or its IOMMU group"},
                 {},
                 probe ? std::string{} : holder};
}

bool is_id_change(ChangeKind kind) { return kind == ChangeKind::AddId || kind == ChangeKind::RemoveId; }

}  // namespace

struct Engine::Gathering {
  ChangeRequest request;
  Requester requester;
  bool dry_run = false;
  std::function<void(Decision)> decide;
  Facts facts;
  int round = 0;
  std::uint64_t ended_at_start = 0;
  std::size_t waiting = 0;
  std::optional<sysfs::Error> error;
};

struct Engine::Running {
  std::shared_ptr<Operation> operation = std::make_shared<Operation>();
  std::set<std::string> keys;
  std::vector<Original> new_originals;
  std::shared_ptr<Execution> execution;
};

Engine::Engine(Services services)
    : services_(std::move(services)),
      overrides_(services_.run_task),
      configs_(services_.run_task),
      attributes_(services_.run_task),
      vital_product_data_(services_.run_task, "its vital product data"),
      usage_(services_.run_task, "how the host uses it") {
  adopt(services_.journal.remembered());
}

Engine::~Engine() = default;

// What an earlier daemon left: its originals, so that a give-back still works, and its operations. One that had not
// ended is told as interrupted, with the state it was in; the devices' originals are kept for the give-back.
void Engine::adopt(const Remembered& remembered) {
  for (const auto& original : remembered.originals) originals_.emplace(original.address, original);
  for (auto row : remembered.operations) {
    const auto state = operation_state_named(row.state);
    if (state == OperationState::Running || state == OperationState::Blocked) {
      auto document = nlohmann::json::parse(row.document, nullptr, false);
      if (document.is_object()) {
        document["state"] = name_of(OperationState::Interrupted);
        document["finished_at"] = rfc3339(std::chrono::system_clock::now());
        row.document = dump(document);
      }
      row.state = name_of(OperationState::Interrupted);
      services_.journal.finish(row, {}, [this](const sysfs::Result<>& stored) { warn(stored); });
    }
    past_.push_back({row.id, row.created_at, row.state, row.document});
  }
}

sysfs::Result<const sysfs::Inventory*> Engine::current() {
  services_.inventory.apply(services_.drain_uevents());
  for (const auto& [id, running] : running_) {
    for (const auto& transition : running->operation->transitions) services_.inventory.mark(transition.address);
  }
  auto done = services_.inventory.refresh();
  if (!done) return std::unexpected(done.error());
  return &services_.inventory;
}

void Engine::submit(ChangeRequest request, Requester requester, bool dry_run, std::function<void(Decision)> decide) {
  if (!dry_run && services_.read_only) {
    return decide(refuse(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  }
  if (stopping_) return decide(refuse(ErrorCode::ShuttingDown, "devbindd is stopping"));
  if (running_.size() >= max_running) return decide(refuse(ErrorCode::TooBusy, "too many operations are under way"));
  auto gathering = std::make_shared<Gathering>();
  gathering->request = std::move(request);
  gathering->requester = std::move(requester);
  gathering->dry_run = dry_run;
  gathering->decide = std::move(decide);
  gather(std::move(gathering));
}

void Engine::gather(std::shared_ptr<Gathering> gathering) {
  gathering->facts = {};
  gathering->error.reset();
  gathering->ended_at_start = ended_count_;
  if (auto selected = select_members(*gathering); !selected) {
    return gathering->decide(Refusal{selected.error(), {}, {}});
  }
  if (const auto holder = holder_of(lock_keys(*gathering)); !holder.empty()) {
    return gathering->decide(in_the_way(holder));
  }
  look_up_drivers(*gathering);
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& member : gathering->facts.members) addresses.push_back(member.device.address);
  overrides_.read(addresses, [this, gathering](const OverrideAnswers& answers) {
    for (auto& member : gathering->facts.members) {
      const auto& answer = answers.at(member.device.address);
      if (answer) {
        member.driver_override = *answer;
      } else if (answer.error().code == ErrorCode::Overdue) {
        member.override_known = false;
      } else {
        gathering->error = answer.error();
      }
    }
    gather_holders(gathering);
  });
}

sysfs::Result<> Engine::select_members(Gathering& gathering) {
  auto inventory = current();
  if (!inventory) return std::unexpected(inventory.error());
  const auto& request = gathering.request;
  auto& facts = gathering.facts;
  facts.denylist_off = services_.tree.read("sys/module/vfio_pci/parameters/disable_denylist").value_or("N") == "Y";
  facts.viability_rule = sysfs::viability_rule(services_.tree);
  facts.no_iommu_mode =
      services_.tree.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode").value_or("N") == "Y";
  if (is_id_change(request.kind)) {
    for (const auto& [address, device] : (*inventory)->devices()) {
      if (!device.driver && request.id == sysfs::id_text(device)) facts.id_captures.push_back(address);
    }
    return {};
  }
  const auto* target = (*inventory)->find(*request.address);
  if (target == nullptr) {
    return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*request.address));
  }
  const auto group =
      target->iommu_group ? (*inventory)->group_members(*target->iommu_group) : std::vector<sysfs::Device>{};
  const auto affected = affected_devices(request, *target, group, originals_);
  for (const auto& address : affected) {
    if (const auto* device = (*inventory)->find(address)) add_member(gathering, *device);
  }
  for (const auto& device : group) {
    if (std::ranges::find(affected, device.address) == affected.end()) facts.bystanders.push_back(device);
  }
  if (request.kind == ChangeKind::Bind && request.method == Method::NewId) {
    for (const auto& [address, device] : (*inventory)->devices()) {
      const bool twin = std::ranges::any_of(facts.members, [&](const MemberFacts& member) {
        return sysfs::id_text(member.device) == sysfs::id_text(device);
      });
      const bool member = std::ranges::find(affected, address) != affected.end();
      if (twin && !member && !device.driver) facts.id_captures.push_back(address);
    }
  }
  return {};
}

void Engine::add_member(Gathering& gathering, const sysfs::Device& device) {
  MemberFacts member;
  member.device = device;
  member.candidate_modules = sysfs::modules_for(services_.modules, device.modalias);
  if (const auto original = originals_.find(device.address); original != originals_.end()) {
    if (same_identity(original->second, device)) member.original = original->second;
  }
  for (const auto& address : device.virtfns) {
    const auto* function = services_.inventory.find(address);
    if (function != nullptr && sysfs::is_vfio_bound(*function) && function->enable_count.value_or(0) > 0)
      member.open_vfs.push_back(address);
  }
  gathering.facts.members.push_back(std::move(member));
}

void Engine::look_up_drivers(Gathering& gathering) const {
  for (const auto& name : drivers_needed(gathering.request, gathering.facts.members)) {
    DriverFacts driver;
    driver.registered = sysfs::driver_registered(services_.tree, name);
    driver.module = sysfs::module_of_driver(name);
    if (!driver.registered) {
      auto state = sysfs::module_state(services_.tree, services_.modules, driver.module);
      if (!state) gathering.error = state.error();
      driver.module_state = state.value_or(sysfs::ModuleState::Unknown);
    }
    gathering.facts.drivers.emplace(name.text(), std::move(driver));
  }
}

void Engine::gather_holders(const std::shared_ptr<Gathering>& gathering) {
  std::vector<std::size_t> asked;
  for (std::size_t at = 0; at < gathering->facts.members.size(); ++at) {
    if (sysfs::is_vfio_bound(gathering->facts.members[at].device)) asked.push_back(at);
  }
  gathering->waiting = asked.size();
  if (asked.empty()) return gather_uses(gathering);
  for (const auto at : asked) {
    const auto& device = gathering->facts.members[at].device;
    const vfio::HolderQuery query{.address = device.address,
                                  .group = device.iommu_group,
                                  .vfio_device = device.vfio_device,
                                  .device_open = device.enable_count.value_or(0) > 0};
    const auto answered = std::make_shared<bool>(false);
    const auto answer = [this, gathering, answered] {
      if (std::exchange(*answered, true)) return;
      if (--gathering->waiting == 0) gather_uses(gathering);
    };
    // Too many processes to look through in time: the enable count still tells that somebody has the device open.
    services_.run_task(task_for(query), {.on_overdue = [answer](int) { answer(); },
                                         .on_result =
                                             [gathering, at, answered, answer](const TaskResult& result) {
                                               if (!*answered && result)
                                                 gathering->facts.members[at].holders = holders_from(*result);
                                               if (!*answered && !result) gathering->error = result.error();
                                               answer();
                                             }});
  }
}

// Of the members that a driver of the host has: what would be lost with it.
void Engine::gather_uses(const std::shared_ptr<Gathering>& gathering) {
  const bool taken_away = gathering->request.kind == ChangeKind::Bind ||
                          gathering->request.kind == ChangeKind::Unbind ||
                          gathering->request.kind == ChangeKind::Restore;
  std::vector<std::size_t> asked;
  for (std::size_t at = 0; taken_away && at < gathering->facts.members.size(); ++at) {
    const auto& device = gathering->facts.members[at].device;
    if (device.driver && !sysfs::is_vfio_bound(device)) asked.push_back(at);
  }
  gathering->waiting = asked.size();
  if (asked.empty()) return gathered(gathering);
  for (const auto at : asked) {
    find_usage(gathering->facts.members[at].device.address, gathering->requester,
               [this, gathering, at](const UsageAnswer& uses) {
                 auto& member = gathering->facts.members[at];
                 if (uses) member.uses = *uses;
                 member.uses_known = uses.has_value();
                 if (--gathering->waiting == 0) gathered(gathering);
               });
  }
}

void Engine::find_usage(const sysfs::PciAddress& address, const Requester& requester,
                        std::function<void(UsageAnswer)> done) {
  usage_.read(address, {TaskKind::FindUsage, {sysfs::to_string(address), requester.local_address.value_or("")}},
              [done = std::move(done)](const TaskResult& result) {
                if (!result) return done(std::unexpected(result.error()));
                done(uses_from(*result));
              });
}

// Facts are only good if nothing ended since they were read: another operation may have changed what they say.
void Engine::gathered(const std::shared_ptr<Gathering>& gathering) {
  if (gathering->error) return gathering->decide(Refusal{*gathering->error, {}, {}});
  if (gathering->ended_at_start != ended_count_ && ++gathering->round < max_gather_rounds) return gather(gathering);
  decide(gathering);
}

void Engine::decide(const std::shared_ptr<Gathering>& gathering) {
  const auto& request = gathering->request;
  if (const auto holder = holder_of(lock_keys(*gathering)); !holder.empty()) {
    return gathering->decide(in_the_way(holder));
  }
  const bool nothing_known = std::ranges::none_of(
      gathering->facts.members, [](const MemberFacts& member) { return member.original.has_value(); });
  const auto on_vfio = [](const MemberFacts& member) { return sysfs::is_vfio_bound(member.device); };
  if (request.kind == ChangeKind::Restore && nothing_known && std::ranges::any_of(gathering->facts.members, on_vfio)) {
    return gathering->decide(
        refuse(ErrorCode::NothingToRestore, "devbindd did not bind " + sysfs::to_string(*request.address) +
                                                " and does not know what was there before: ask for the driver by PUT"));
  }
  auto made = plan(request, gathering->facts);
  auto refused_by = blocking(made.evidence, request.accept_risks);
  if (gathering->dry_run) return gathering->decide(Preview{std::move(made), std::move(refused_by)});
  if (made.steps.empty() &&
      std::ranges::none_of(refused_by, [](const Evidence& item) { return item.code == "device.stuck"; })) {
    return gathering->decide(Unchanged{std::move(made)});
  }
  if (!refused_by.empty()) {
    auto detail = refused_by.front().detail;
    if (refused_by.size() > 1) detail += " (and more: see blockers)";
    return gathering->decide(Refusal{{ErrorCode::Refused, std::move(detail)}, std::move(refused_by), {}});
  }
  begin(gathering, std::move(made));
}

void Engine::begin(const std::shared_ptr<Gathering>& gathering, Plan made) {
  auto running = std::make_unique<Running>();
  auto& operation = *running->operation;
  operation.id = new_id();
  operation.request = gathering->request;
  operation.requester = gathering->requester;
  operation.created_at = std::chrono::system_clock::now();
  operation.transitions = made.transitions;
  operation.evidence = made.evidence;
  for (auto& planned : made.steps) operation.steps.push_back({std::move(planned), StepState::Pending, {}, {}, 0, {}});
  const auto scope = gathering->request.scope.value_or(Scope::Device);
  for (const auto& member : gathering->facts.members) {
    if (!originals_.contains(member.device.address) || !member.original) {
      running->new_originals.push_back(original_of(member, scope, operation.id));
    }
  }
  for (const auto& address : gathering->facts.id_captures) {
    const auto* device = services_.inventory.find(address);
    if (device == nullptr || originals_.contains(address) || gathering->request.kind == ChangeKind::RemoveId) continue;
    running->new_originals.push_back(original_of({.device = *device}, Scope::Device, operation.id));
  }
  running->keys = lock_keys(*gathering);
  for (const auto& key : running->keys) locks_.emplace(key, operation.id);
  const auto id = operation.id;
  auto row = row_of(operation);
  auto originals = running->new_originals;
  running_.emplace(id, std::move(running));
  services_.journal.begin(std::move(row), std::move(originals), [this, gathering, id](const sysfs::Result<>& stored) {
    if (!stored) {
      for (const auto& key : running_.at(id)->keys) locks_.erase(key);
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
      running.operation, services_.tree, services_.run_task,
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
    const bool undone = operation.error && operation.error->restored;
    const auto& driver = succeeded ? transition.driver_after : transition.driver_before;
    const auto& driver_override = succeeded ? transition.override_after : transition.override_before;
    const bool as_found = driver == original->second.driver && driver_override == original->second.driver_override;
    if ((succeeded || undone) && as_found) forget.push_back(transition.address);
  }
  return forget;
}

void Engine::ended(const std::string& id) {
  auto& running = *running_.at(id);
  const auto forget = originals_to_forget(*running.operation);
  for (const auto& address : forget) originals_.erase(address);
  for (const auto& transition : running.operation->transitions) services_.inventory.mark(transition.address);
  if (is_id_change(running.operation->request.kind) || running.operation->request.method == Method::NewId)
    services_.inventory.mark_all();
  auto row = row_of(*running.operation);
  // The answer waits for the disk: what is told as done stays told after a crash.
  services_.journal.finish(row, forget, [this, id, row](const sysfs::Result<>& stored) {
    warn(stored);
    past_.push_front({row.id, row.created_at, row.state, row.document});
    if (past_.size() > max_operations) past_.pop_back();
    for (const auto& key : running_.at(id)->keys) locks_.erase(key);
    running_.erase(id);
    ++ended_count_;
    notify(id);
  });
}

std::set<std::string> Engine::lock_keys(const Gathering& gathering) const {
  std::set<std::string> keys;
  const auto add = [&keys](const sysfs::Device& device) {
    keys.insert(device_key(device));
    // A PF and its VFs are one family: unbinding the PF destroys the VFs.
    if (device.physfn) keys.insert("function " + sysfs::to_string(*device.physfn));
    if (device.sriov_totalvfs) keys.insert("function " + sysfs::to_string(device.address));
  };
  for (const auto& member : gathering.facts.members) add(member.device);
  for (const auto& address : gathering.facts.id_captures) {
    if (const auto* device = services_.inventory.find(address)) add(*device);
  }
  if (is_id_change(gathering.request.kind)) keys.insert("driver " + gathering.request.driver->text());
  return keys;
}

sysfs::Result<std::function<void()>> Engine::reserve(const sysfs::Device& device) {
  if (services_.read_only)
    return sysfs::fail(ErrorCode::ReadOnly, "devbindd runs with --read-only: it opens no device");
  if (stopping_) return sysfs::fail(ErrorCode::ShuttingDown, "devbindd is stopping");
  const std::set<std::string> keys{device_key(device)};
  if (const auto holder = holder_of(keys); !holder.empty()) {
    return std::unexpected(std::get<Refusal>(in_the_way(holder)).error);
  }
  for (const auto& key : keys) locks_.emplace(key, probe_holder);
  return [this, keys] {
    for (const auto& key : keys) locks_.erase(key);
    ++ended_count_;  // a probe resets the device: facts that were gathered meanwhile are stale
  };
}

std::string Engine::holder_of(const std::set<std::string>& keys) const {
  for (const auto& key : keys) {
    if (const auto found = locks_.find(key); found != locks_.end()) return found->second;
  }
  return {};
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

sysfs::Result<nlohmann::json> Engine::document(const std::string& id) const {
  if (const auto found = running_.find(id); found != running_.end()) return to_json(*found->second->operation);
  for (const auto& past : past_) {
    if (past.id == id) return nlohmann::json::parse(past.document, nullptr, false);
  }
  return sysfs::fail(ErrorCode::OperationNotFound, "there is no operation " + id.substr(0, 64) + " (the last " +
                                                       std::to_string(max_operations) + " are kept)");
}

std::vector<nlohmann::json> Engine::documents(const std::string& state) const {
  std::vector<nlohmann::json> documents;
  for (const auto& [id, running] : running_) {
    if (state.empty() || state == name_of(running->operation->state)) documents.push_back(to_json(*running->operation));
  }
  std::ranges::sort(documents, [](const auto& a, const auto& b) { return a["created_at"] > b["created_at"]; });
  for (const auto& past : past_) {
    if (state.empty() || state == past.state) documents.push_back(nlohmann::json::parse(past.document, nullptr, false));
  }
  return documents;
}

std::string Engine::operation_on(const sysfs::PciAddress& address) const {
  for (const auto& [id, running] : running_) {
    for (const auto& transition : running->operation->transitions) {
      if (transition.address == address) return id;
    }
  }
  return {};
}

bool Engine::busy() const {
  return std::ranges::any_of(
      running_, [](const auto& entry) { return entry.second->operation->state != OperationState::Blocked; });
}

}  // namespace devbindd::handoff
