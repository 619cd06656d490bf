#include "handoff/claims.hpp"

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "handoff/claim_document.hpp"
#include "handoff/claims_parts.hpp"
#include "handoff/json.hpp"
#include "handoff/operation_document.hpp"
#include "handoff/verdict.hpp"
#include "handoff/vfio_driver.hpp"
#include "sysfs/fields.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;
using Seconds = std::chrono::seconds;

constexpr int max_rounds = 4;
constexpr std::size_t max_claims = 1024;
constexpr std::chrono::milliseconds time_to_connect_again{60'000};
constexpr const char* connection_closed = "its connection has closed";

TimePoint now() { return std::chrono::system_clock::now(); }

// When the process began, in ticks since the boot: field 22 of /proc/PID/stat, behind a name that may hold anything.
std::optional<std::uint64_t> start_of(const sysfs::Tree& tree, std::int32_t pid) {
  const auto stat = tree.read("proc/" + std::to_string(pid) + "/stat");
  if (!stat) return std::nullopt;
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const auto words = sysfs::words_of(std::string_view(*stat).substr(name_end + 1));
  return words.size() > 19 ? sysfs::number_from<std::uint64_t>(words[19]) : std::nullopt;
}

bool same_request(const ClaimRequest& left, const ClaimRequest& right) { return to_json(left) == to_json(right); }

}  // namespace

struct Claims::Attempt {
  ClaimRequest request;
  Claim claim;
  std::function<void(Outcome)> done;
  std::vector<sysfs::PciAddress> candidates;
  std::size_t at = 0;
  std::vector<sysfs::PciAddress> chosen;
  std::string last_reason;
  int round = 0;
  bool dry_run = false;
};

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
  for (const auto& [id, claim] : claims_) {
    if (holds_devices(claim) && holds(claim, device)) return id;
  }
  return {};
}

void Claims::store(const Claim& claim, std::function<void(sysfs::Result<>)> done) {
  engine_.services().journal.store({claim.id, std::string(name_of(claim.state)), dump(to_json(claim))},
                                   std::move(done));
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

void Claims::create(ClaimRequest request, Requester requester, bool dry_run, std::function<void(Outcome)> done) {
  const auto& services = engine_.services();
  if (services.read_only && !dry_run)
    return done(refusal(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  if (!engine_.accepting()) return done(refusal(ErrorCode::ShuttingDown, "devbindd is stopping"));
  if (const auto* known = dry_run ? nullptr : same_key(request, requester)) {
    if (same_request(known->request, request)) return when_made(known->id, requester, std::move(done));
    return done(refusal(ErrorCode::KeyReused, "the idempotency key came with another request: claim " + known->id));
  }
  const auto held = std::ranges::count_if(claims_, [](const auto& entry) { return holds_devices(entry.second); });
  if (static_cast<std::size_t>(held) >= max_claims)
    return done(refusal(ErrorCode::TooBusy, "there are " + std::to_string(max_claims) + " claims already"));
  auto attempt = std::make_shared<Attempt>();
  attempt->claim.id = boost::uuids::to_string(boost::uuids::random_generator()());
  attempt->claim.boot_id = services.boot_id;
  attempt->claim.requester = std::move(requester);
  attempt->claim.created_at = now();
  if (request.pid) {
    const auto start = start_of(services.tree, *request.pid);
    if (!start) return done(refusal(ErrorCode::OwnerNotFound, "there is no process " + std::to_string(*request.pid)));
    attempt->claim.process_start = *start;
  }
  attempt->request = std::move(request);
  attempt->done = std::move(done);
  attempt->dry_run = dry_run;
  find_owners(attempt);
}

// The same request again has the answer of the first, when that is there.
void Claims::when_made(const std::string& id, const Requester& requester, std::function<void(Outcome)> done) {
  connect(id, requester);
  if (find(id)->state != ClaimState::Preparing) return done(Made{id, true});
  const auto& operation = find(id)->operation;
  if (!operation.empty() && engine_.is_blocked(operation)) return done(Made{id, true});
  making_[id].push_back([this, id, done = std::move(done)] {
    const auto* claim = find(id);
    if (claim != nullptr && holds_devices(*claim)) return done(Made{id, true});
    done(refusal(ErrorCode::ClaimNotActive, claim != nullptr ? claim->reason : "the claim is over"));
  });
}

void Claims::made(const std::string& id) {
  const auto waiting = making_.extract(id);
  if (waiting.empty()) return;
  for (const auto& ready : waiting.mapped()) ready();
}

const Claim* Claims::same_key(const ClaimRequest& request, const Requester& requester) const {
  if (request.idempotency_key.empty()) return nullptr;
  for (const auto& [id, claim] : claims_) {
    if (holds_devices(claim) && claim.request.idempotency_key == request.idempotency_key &&
        claim.requester.uid == requester.uid)
      return &claim;
  }
  return nullptr;
}

void Claims::find_owners(const std::shared_ptr<Attempt>& attempt) {
  Task task{TaskKind::FindOwners, {}};
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

void Claims::choose(const std::shared_ptr<Attempt>& attempt) {
  auto inventory = engine_.current();
  if (!inventory) return attempt->done(Refusal{inventory.error(), {}, {}});
  attempt->chosen.clear();
  attempt->candidates.clear();
  attempt->at = 0;
  if (!attempt->request.selector) {
    for (const auto& address : attempt->request.devices) {
      const auto* device = (*inventory)->find(address);
      if (device == nullptr)
        return attempt->done(
            refusal(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address)));
      if (sysfs::is_pci_bridge(*device)) {
        const auto evidence = bridge_evidence(address);
        return attempt->done(Refusal{{ErrorCode::Refused, evidence.detail}, {evidence}, {}});
      }
      attempt->chosen.push_back(address);
    }
    return hold(attempt);
  }
  for (const auto& [address, device] : (*inventory)->devices()) {
    if (!sysfs::is_pci_bridge(device) && matches(*attempt->request.selector, device))
      attempt->candidates.push_back(address);
  }
  try_candidate(attempt);
}

// A candidate is taken when a dry run of its binding says yes: nobody uses it, and the kernel can do it.
void Claims::try_candidate(const std::shared_ptr<Attempt>& attempt) {
  const auto wanted = attempt->request.selector->count;
  if (attempt->chosen.size() == wanted) return hold(attempt);
  if (attempt->at == attempt->candidates.size()) {
    return attempt->done(
        refusal(ErrorCode::NotEnoughDevices,
                "of " + std::to_string(attempt->candidates.size()) + " devices that fit, " +
                    std::to_string(attempt->chosen.size()) + " of the " + std::to_string(wanted) + " wanted are free" +
                    (attempt->last_reason.empty() ? std::string{} : "; one is not since: " + attempt->last_reason)));
  }
  const auto address = attempt->candidates[attempt->at++];
  const auto group = group_of(address);
  const auto along = std::ranges::find_if(group, [&attempt](const sysfs::Device& member) {
    return std::ranges::find(attempt->chosen, member.address) != attempt->chosen.end();
  });
  if (along != group.end()) {
    attempt->chosen.push_back(address);
    return try_candidate(attempt);
  }
  ChangeRequest request;
  request.address = address;
  request.driver = driver_for(attempt->request, group);
  request.scope = Scope::Group;
  request.claim = attempt->claim.id;
  request.accept_risks = attempt->request.accept_risks;
  engine_.submit(
      std::move(request), attempt->claim.requester, true, [this, attempt, address](const Decision& decision) {
        if (const auto* preview = std::get_if<Preview>(&decision); preview != nullptr && preview->refused_by.empty()) {
          attempt->chosen.push_back(address);
        } else if (preview != nullptr) {
          attempt->last_reason = preview->refused_by.front().detail;
        } else if (const auto* refused = std::get_if<Refusal>(&decision)) {
          attempt->last_reason = refused->error.message;
        }
        try_candidate(attempt);
      });
}

std::vector<sysfs::Device> Claims::group_of(const sysfs::PciAddress& address) const {
  const auto& inventory = engine_.services().inventory;
  const auto* device = inventory.find(address);
  if (device == nullptr) return {};
  auto group = device->iommu_group ? inventory.group_members(*device->iommu_group) : std::vector{*device};
  std::erase_if(group, sysfs::is_pci_bridge);
  return group;
}

// A group goes to one driver: the best of its devices where they agree, else the one that takes all.
sysfs::DriverName Claims::driver_for(const ClaimRequest& request, const std::vector<sysfs::Device>& group) const {
  if (request.driver) return *request.driver;
  auto chosen = default_vfio_driver();
  for (std::size_t at = 0; at < group.size(); ++at) {
    const auto best = best_vfio_driver(engine_.services().modules, group[at].modalias);
    if (at > 0 && best != chosen) return default_vfio_driver();
    chosen = best;
  }
  return chosen;
}

// From here on the devices are kept from everybody else.
void Claims::hold(const std::shared_ptr<Attempt>& attempt) {
  auto& claim = attempt->claim;
  // A retry with the same key may have come while this one looked around.
  if (const auto* known = attempt->dry_run ? nullptr : same_key(attempt->request, claim.requester)) {
    if (same_request(known->request, attempt->request)) return when_made(known->id, claim.requester, attempt->done);
    return attempt->done(
        refusal(ErrorCode::KeyReused, "the idempotency key came with another request: claim " + known->id));
  }
  claim.devices.clear();
  std::set<sysfs::PciAddress> added;
  for (const auto& address : attempt->chosen) {
    const auto group = group_of(address);
    const auto* device = engine_.services().inventory.find(address);
    if (device == nullptr) return choose(attempt);
    const auto driver = driver_for(attempt->request, group).text();
    if (const auto holder = holder_of(*device); !holder.empty()) {
      if (attempt->request.selector && ++attempt->round < max_rounds) return choose(attempt);
      auto evidence = claim_evidence(address, holder);
      return attempt->done(Refusal{{ErrorCode::Refused, evidence.detail}, {evidence}, {}});
    }
    const auto add = [&](const sysfs::Device& member, bool companion) {
      if (!added.insert(member.address).second) return;
      claim.devices.push_back({member.address, member.vendor, member.device, member.iommu_group, driver, companion});
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
  order_.push_back(claim.id);
  connect(claim.id, claim.requester);
  store(claim, [this, attempt](const sysfs::Result<>& stored) {
    if (stored) return bind(attempt);
    claims_.erase(attempt->claim.id);
    std::erase(order_, attempt->claim.id);
    attempt->done(Refusal{stored.error(), {}, {}});
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
                   if (std::holds_alternative<Unchanged>(decision)) return activate(id, done);
                   auto& claim = claims_.at(id);
                   claim.operation = std::get<Accepted>(decision).operation;
                   store(claim);
                   engine_.when_settled(claim.operation, [this, id, done] { bound(id, done); });
                 });
}

// The operation has ended, or hangs: then the caller is told that the claim is still being made.
void Claims::bound(const std::string& id, std::function<void(Outcome)> done) {
  const auto operation = claims_.at(id).operation;
  const auto document = engine_.document(operation);
  const auto state = document ? (*document)["state"].get<std::string>() : std::string("gone");
  if (state == name_of(OperationState::Blocked)) {
    done(Made{id});
    made(id);
    return engine_.when_ended(operation, [this, id] { bound(id, [](const Outcome&) {}); });
  }
  if (state == name_of(OperationState::Succeeded)) return activate(id, std::move(done));
  const bool half_way = document && (*document)["error"].is_object() && !(*document)["error"]["unrestored"].empty();
  end(id, half_way ? ClaimState::Quarantined : ClaimState::Released,
      "it was not made: " + (document ? sentence_of(*document) : state));
  done(Failed{operation});
}

// What its operation has changed is what its end gives back.
void Claims::note_changes(Claim& claim) const {
  const auto document = engine_.document(claim.operation);
  if (!document || !claim.changed.empty()) return;
  for (const auto& device : (*document)["devices"]) {
    if (auto transition = transition_from(device)) claim.changed.push_back(std::move(*transition));
  }
}

void Claims::activate(const std::string& id, std::function<void(Outcome)> done) {
  note_changes(claims_.at(id));
  grant(id, [this, id, done = std::move(done)](const sysfs::Result<>& granted) {
    if (granted) return activated(id, done);
    begin_release(id, "its nodes could not be opened to its owner: " + granted.error().message);
    done(Refusal{granted.error(), {}, {}});
  });
}

void Claims::activated(const std::string& id, const std::function<void(Outcome)>& done) {
  auto& claim = claims_.at(id);
  if (auto published = hooks_.publish ? hooks_.publish(claim) : sysfs::Result<>(); !published) {
    begin_release(id, "what its consumer reads could not be written: " + published.error().message);
    return done(Refusal{published.error(), {}, {}});
  }
  claim.state = ClaimState::Active;
  claim.ttl = claim.request.ttl;
  if (claim.ttl) claim.expires_at = now() + *claim.ttl;
  store(claim, [this, id, done](const sysfs::Result<>& stored) {
    if (!stored) {
      begin_release(id, "it could not be recorded: " + stored.error().message);
      return done(Refusal{stored.error(), {}, {}});
    }
    if (find(id)->state == ClaimState::Active) watch(id);
    if (find(id)->request.while_connected && !connections_.contains(id)) begin_release(id, connection_closed);
    done(Made{id});
    made(id);
  });
}

// --- keeping it

void Claims::watch(const std::string& id) {
  const auto& claim = claims_.at(id);
  watch_time(id);
  if (!claim.request.pid) return;
  const auto ended = [this, id] { begin_release(id, "its process has ended"); };
  auto watching = hooks_.watch_process(*claim.request.pid, ended);
  if (!watching) return ended();
  stop_watching_[id] = std::move(*watching);
  // Looked at after the watch has begun: from here on the number cannot become another process's.
  const auto start = start_of(engine_.services().tree, *claim.request.pid);
  if (!start || *start != claim.process_start) ended();
}

// One timer for each claim, however often it is renewed; another only when it is to end sooner than that one looks.
void Claims::watch_time(const std::string& id) {
  const auto& claim = claims_.at(id);
  if (!claim.expires_at || !engine_.services().after) return;
  const auto looks_at = *claim.expires_at;
  if (const auto earlier = timed_.find(id); earlier != timed_.end() && earlier->second <= looks_at) return;
  timed_[id] = looks_at;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(looks_at - now());
  engine_.services().after(std::max(left, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1),
                           [this, id, looks_at] {
                             if (const auto timed = timed_.find(id); timed != timed_.end() && timed->second == looks_at)
                               timed_.erase(timed);
                             const auto* still = find(id);
                             if (still == nullptr || still->state != ClaimState::Active || !still->expires_at) return;
                             if (*still->expires_at > now()) return watch_time(id);
                             begin_release(id, "its time has run out");
                           });
}

// --- a connection that it lasts as long as

void Claims::connect(const std::string& id, const Requester& requester) {
  const auto connection = requester.connection.lock();
  if (!claims_.at(id).request.while_connected || !connection) return;
  if (!connections_[id].insert(connection).second) return;
  connection->on_close.push_back([this, id, closed = std::weak_ptr(connection)] { disconnected(id, closed.lock()); });
}

void Claims::disconnected(const std::string& id, const std::shared_ptr<Connection>& connection) {
  const auto left = connections_.find(id);
  if (left == connections_.end()) return;
  left->second.erase(connection);
  if (!left->second.empty()) return;
  connections_.erase(left);
  // One that is still being made is looked at when it is.
  if (const auto* claim = find(id); claim != nullptr && claim->state == ClaimState::Active)
    begin_release(id, connection_closed);
}

// The daemon's own end has closed them all: their other ends get time to come back.
void Claims::await_connection(const std::string& id) {
  if (!claims_.at(id).request.while_connected || !engine_.services().after) return;
  engine_.services().after(time_to_connect_again, [this, id] {
    const auto* claim = find(id);
    if (claim == nullptr || claim->state != ClaimState::Active || connections_.contains(id)) return;
    begin_release(id, "nobody has connected again for it since devbindd was started anew");
  });
}

void Claims::renew(const std::string& id, const Requester& requester, std::optional<Seconds> ttl,
                   std::function<void(sysfs::Result<>)> done) {
  const auto found = claims_.find(id);
  if (found == claims_.end())
    return done(sysfs::fail(ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64)));
  auto& claim = found->second;
  if (claim.state != ClaimState::Active) {
    return done(sysfs::fail(ErrorCode::ClaimNotActive,
                            "the claim is " + std::string(name_of(claim.state)) + ": only an active one is renewed"));
  }
  connect(id, requester);
  if (ttl) claim.ttl = ttl;
  if (claim.ttl) claim.expires_at = now() + *claim.ttl;
  watch_time(id);
  store(claim, std::move(done));
}

std::vector<std::string> Claims::nodes_of(const Claim& claim) const {
  std::set<std::string> paths;
  const auto& services = engine_.services();
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    if (device == nullptr) continue;
    const auto nodes = vfio::nodes_of(services.tree, *device);
    if (nodes && nodes->group) paths.insert(nodes->group->path);
    if (nodes && nodes->cdev) paths.insert(nodes->cdev->path);
  }
  return {paths.begin(), paths.end()};
}

namespace {

Task access_task(TaskKind kind, const vfio::Grantees& grantees, const std::vector<std::string>& paths) {
  Task task{kind, {}};
  for (const auto uid : grantees.uids) task.arguments.push_back("u" + std::to_string(uid));
  for (const auto gid : grantees.gids) task.arguments.push_back("g" + std::to_string(gid));
  task.arguments.insert(task.arguments.end(), paths.begin(), paths.end());
  return task;
}

}  // namespace

// /dev/iommu is everybody's: who has another claim still needs it.
vfio::Grantees Claims::grantees_of_this_alone(const Claim& claim) const {
  auto alone = claim.grantees;
  for (const auto& [id, other] : claims_) {
    if (id == claim.id || (other.state != ClaimState::Active && other.state != ClaimState::Preparing)) continue;
    for (const auto uid : other.grantees.uids) std::erase(alone.uids, uid);
    for (const auto gid : other.grantees.gids) std::erase(alone.gids, gid);
  }
  return alone;
}

std::vector<Task> Claims::access_tasks(TaskKind kind, const Claim& claim) const {
  std::vector<Task> tasks;
  if (claim.grantees.uids.empty() && claim.grantees.gids.empty()) return tasks;
  const auto nodes = nodes_of(claim);
  if (!nodes.empty()) tasks.push_back(access_task(kind, claim.grantees, nodes));
  if (!sysfs::exists(engine_.services().tree, "dev/iommu")) return tasks;
  const bool grants = kind == TaskKind::GrantAccess;
  const auto grantees = grants ? claim.grantees : grantees_of_this_alone(claim);
  if (!grantees.uids.empty() || !grantees.gids.empty()) tasks.push_back(access_task(kind, grantees, {"/dev/iommu"}));
  return tasks;
}

// What was true when it was asked for may be over when its turn comes.
void Claims::grant(const std::string& id, std::function<void(sysfs::Result<>)> done) {
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  access_.add(
      [this, id] {
        const auto* claim = find(id);
        const bool wanted =
            claim != nullptr && (claim->state == ClaimState::Active || claim->state == ClaimState::Preparing);
        return wanted ? access_tasks(TaskKind::GrantAccess, *claim) : std::vector<Task>{};
      },
      std::move(done));
}

void Claims::revoke(const std::string& id, std::function<void(sysfs::Result<>)> done) {
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  access_.add([this, id] { return access_tasks(TaskKind::RevokeAccess, claims_.at(id)); }, std::move(done));
}

void Claims::nodes_changed() {
  for (const auto& [id, claim] : claims_) {
    if (claim.state != ClaimState::Active) continue;
    grant(id, [this](const sysfs::Result<>& granted) { warn(granted); });
  }
}

// --- what an earlier daemon left

void Claims::start() {
  for (const auto& row : engine_.services().journal.remembered().claims) {
    auto claim = claim_from(nlohmann::json::parse(row.document, nullptr, false));
    if (!claim) {
      if (engine_.services().warn) engine_.services().warn("the journal's claim " + row.id + " cannot be read");
      continue;
    }
    adopt(std::move(*claim));
  }
}

void Claims::adopt(Claim claim) {
  const auto id = claim.id;
  last_token_ = std::max(last_token_, claim.fencing_token);
  const bool other_boot = claim.boot_id != engine_.services().boot_id;
  const auto state = claim.state;
  claims_.insert_or_assign(id, std::move(claim));
  order_.push_back(id);
  if (!holds_devices(claims_.at(id))) return;
  if (other_boot)
    return end(id, ClaimState::Lost, "the host was restarted while it was " + std::string(name_of(state)));
  switch (state) {
    case ClaimState::Preparing: return adopt_preparing(id);
    case ClaimState::Active:
      grant(id, [this, id](const sysfs::Result<>& granted) {
        warn(granted);
        if (find(id)->state != ClaimState::Active) return;
        if (hooks_.publish) warn(hooks_.publish(claims_.at(id)));
        watch(id);
        await_connection(id);
      });
      return;
    case ClaimState::Releasing: {
      const auto& operation = claims_.at(id).release_operation;
      return engine_.when_ended(operation, [this, id] { release_when_closed(id); });
    }
    default: return;
  }
}

// Its operation, if it was begun, has been or will be brought to an end by the engine.
void Claims::adopt_preparing(const std::string& id) {
  auto& claim = claims_.at(id);
  if (claim.operation.empty()) claim.operation = engine_.operation_of_claim(id);
  // Without one the devices may have been on VFIO before; the owner may have got their nodes already.
  if (claim.operation.empty()) return begin_release(id, "it was not made: devbindd ended before it was active");
  engine_.when_ended(claim.operation, [this, id] { bound(id, [](const Outcome&) {}); });
}

}  // namespace devbindd::handoff
