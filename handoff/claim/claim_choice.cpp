// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_choice.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "handoff/claim/claim_changes.hpp"
#include "handoff/claim/claim_permission.hpp"
#include "handoff/claim/device_reset.hpp"
#include "handoff/claim/selection_report.hpp"
#include "handoff/plan/device_reasons.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::size_t most_made_at_once = 32;   // claims; half of the operations that may run
constexpr std::size_t most_tried_at_once = 8;   // dry runs of claims
constexpr std::size_t most_better = 64;         // groups that are looked at in the hope of one without any evidence
constexpr std::size_t most_better_in_line = 4;  // the same while others wait for their turn
constexpr std::size_t most_looks_at_once = 16;

// How much a device is worth avoiding: nothing is said of it, a warning, a risk that was accepted.
int rank_of(const std::vector<Evidence>& evidence) {
  if (evidence.empty()) return 0;
  return std::ranges::any_of(evidence, [](const Evidence& item) { return item.severity == Severity::Block; }) ? 1000
                                                                                                              : 1;
}

Finding finding_in(const Decision& decision) {
  Finding finding;
  if (const auto* preview = std::get_if<Preview>(&decision)) {
    finding.rank = rank_of(preview->plan.evidence);
    if (!preview->refused_by.empty()) finding.reason = preview->refused_by.front().detail;
  } else if (const auto* refused = std::get_if<Refusal>(&decision)) {
    finding.reason = refused->error.message;
  }
  return finding;
}

std::optional<Evidence> not_to_go_along(const Selector& selector, const std::vector<sysfs::Device>& group) {
  const auto unmeant =
      std::ranges::find_if(group, [&](const sysfs::Device& member) { return !may_take_along(selector, member); });
  return unmeant == group.end() ? std::nullopt : std::optional(system_evidence(*unmeant));
}

// What a worker reads of a candidate says that it does not fit; "" where it does.
std::string misfit(const Selector& selector, const sysfs::Result<Attributes>& read) {
  if (!read) return read.error().message;
  std::map<std::string, std::string> contents;
  for (const auto& [name, attribute] : *read) {
    if (attribute.error.empty()) contents.emplace(name, attribute.content);
  }
  return mismatch(selector, sysfs::facts_from(contents));
}

// Adds the numbers that were found for the names of one kind; what is missing.
std::optional<Refusal> add_numbers(std::vector<unsigned>& numbers, std::string_view kind,
                                   const std::vector<std::string>& names,
                                   const std::vector<std::optional<unsigned>>& found) {
  for (std::size_t at = 0; at < names.size(); ++at) {
    if (at >= found.size() || !found[at])
      return refusal(ErrorCode::OwnerNotFound,
                     "there is no " + std::string(kind) + " '" + names[at] + "' on this host");
    numbers.push_back(*found[at]);
  }
  return std::nullopt;
}

std::optional<Refusal> add_owners(vfio::Grantees& owners, const FindOwners& asked, const FindOwners::Answer& found) {
  if (auto missing = add_numbers(owners.uids, "user", asked.users, found.uids)) return missing;
  return add_numbers(owners.gids, "group", asked.groups, found.gids);
}

}  // namespace

ClaimChoice::ClaimChoice(Engine& engine, const ClaimTable& claims, ClaimSetup& setup, LabelsOf labels_of)
    : engine_(engine),
      claims_(claims),
      setup_(setup),
      labels_of_(std::move(labels_of)),
      making_(
          most_made_at_once, [this](const Attempt& attempt) { find_owners(attempt); },
          [this](ClaimAttempt& attempt) { stop_looking(attempt); }),
      trying_(
          most_tried_at_once, [this](const Attempt& attempt) { find_owners(attempt); },
          [this](ClaimAttempt& attempt) { stop_looking(attempt); }) {}

void ClaimChoice::add(const Attempt& attempt) { (attempt->dry_run ? trying_ : making_).add(attempt); }

// Nothing is done for a client that has left, and nothing is written of it.
bool ClaimChoice::has_left(const Attempt& attempt) const {
  const auto connection = attempt->claim.requester.connection.lock();
  if (!connection || !connection->has_left || !connection->has_left()) return false;
  attempt->drop(refusal(ErrorCode::ClaimNotActive, "the client left before the claim was made"));
  return true;
}

void ClaimChoice::find_owners(const Attempt& attempt) {
  if (has_left(attempt)) return;
  const auto& owner = attempt->request.owner;
  attempt->claim.grantees = {owner.uids, owner.gids};
  FindOwners asked{.users = owner.users, .groups = owner.groups};
  if (asked.users.empty() && asked.groups.empty()) return choose(attempt);
  const auto answer = [this, attempt, asked](const ResultOf<FindOwners>& result) {
    if (!result) return attempt->done(Refusal{result.error(), {}, {}});
    if (auto missing = add_owners(attempt->claim.grantees, asked, *result)) return attempt->done(std::move(*missing));
    choose(attempt);
  };
  ask(engine_.services().run_task, std::move(asked), asker_of(attempt->claim.requester),
      "the name service does not answer", answer);
}

// --- which devices

void ClaimChoice::choose(const Attempt& attempt) {
  if (has_left(attempt) || setup_.is_made_already(attempt)) return;
  const auto& claim = attempt->claim;
  if (auto denied = denied_owners(claim.requester, claim.grantees))
    return attempt->done(Refusal{std::move(*denied), {}, {}});
  const auto inventory = engine_.current();
  if (!inventory) return attempt->done(Refusal{inventory.error(), {}, {}});
  attempt->chosen.clear();
  if (attempt->request.selector) return select(attempt, **inventory);
  if (auto refused = take_named(*attempt, **inventory)) return attempt->done(std::move(*refused));
  hold(attempt);
}

std::optional<Refusal> ClaimChoice::take_named(ClaimAttempt& attempt, const sysfs::Inventory& inventory) const {
  for (const auto& address : attempt.request.devices) {
    const auto* device = inventory.find(address);
    if (device == nullptr)
      return refusal(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address));
    if (sysfs::is_pci_bridge(*device)) {
      const auto evidence = bridge_evidence(address);
      return Refusal{{ErrorCode::Refused, evidence.detail}, {evidence}, {}};
    }
    attempt.chosen.push_back(address);
  }
  return std::nullopt;
}

// One with a warning or an accepted risk is taken for want of a better one only.
void ClaimChoice::select(const Attempt& attempt, const sysfs::Inventory& inventory) {
  const auto count = attempt->request.selector->count;
  auto [pools, selection] = find_candidates(engine_, claims_, labels_of_, *attempt, looked_at_, inventory);
  const Pool* best = nullptr;
  bool others_look = false;
  for (const auto& [root, pool] : pools) {
    const auto rank = handoff::rank_of(pool, count);
    if (rank != 0 && !pool.unknown.empty() && (!rank || look_further(*attempt, root)))
      return look(attempt, pool.unknown, rank ? 1 : count - pool.good.size());
    selection.free = std::max(selection.free, pool.good.size());
    others_look |= pool.others_look;
    if (rank && (best == nullptr || *rank < *handoff::rank_of(*best, count))) best = &pool;
    if (rank == 0) break;
  }
  if (best == nullptr && others_look) return waiting_.push_back(attempt);
  if (best == nullptr) return attempt->done(not_enough(selection, *attempt->request.selector, attempt->evidence));
  for (std::size_t at = 0; at < count; ++at) attempt->chosen.push_back(best->good[at].device->address);
  hold(attempt);
}

// There are enough devices, with evidence: some more are looked at for better ones.
bool ClaimChoice::look_further(ClaimAttempt& attempt, const std::string& pool) const {
  const auto most = making_.others_wait() ? most_better_in_line : most_better;
  return attempt.looked_further[pool]++ < most;
}

void ClaimChoice::hold(const Attempt& attempt) {
  setup_.hold(attempt);
  stop_looking(*attempt);
}

// --- a look at some of them

// A dry run of the binding says whether a device with its group may be taken: nobody uses it, and the kernel can do it.
// While it is looked at it is no other claim's, so that a crowd does not look at one and the same device.
void ClaimChoice::look(const Attempt& attempt, const std::vector<const sysfs::Device*>& unknown, std::size_t wanted) {
  std::map<std::string, sysfs::PciAddress> chosen;
  for (const auto* device : unknown) {
    if (chosen.size() < std::min(wanted, most_looks_at_once)) chosen.emplace(look_key(*device), device->address);
  }
  for (const auto& [key, address] : chosen) {
    if (!attempt->dry_run && looked_at_.insert(key).second) attempt->looking_at.insert(key);
  }
  attempt->looks = chosen.size() + 1;
  for (const auto& [key, address] : chosen) look_at(attempt, address);
  on_looked(attempt);
}

void ClaimChoice::on_looked(const Attempt& attempt) {
  if (--attempt->looks > 0) return;
  for (const auto& key : attempt->looking_at) looked_at_.erase(key);
  attempt->looking_at.clear();
  choose(attempt);
  wake_waiting();
}

void ClaimChoice::stop_looking(ClaimAttempt& attempt) {
  if (attempt.looking_at.empty()) return;
  for (const auto& key : attempt.looking_at) looked_at_.erase(key);
  attempt.looking_at.clear();
  wake_waiting();
}

void ClaimChoice::wake_waiting() {
  for (auto& other : std::exchange(waiting_, {})) woken_.push_back(std::move(other));
  if (!std::exchange(waking_, true)) wake_next();
}

// Each in a turn of its own: each looks at all devices, and the thread that does it has others to answer.
void ClaimChoice::wake_next() {
  if (woken_.empty()) {
    waking_ = false;
    return;
  }
  const auto turn = [this] {
    const auto next = std::move(woken_.front());
    woken_.pop_front();
    choose(next);
    wake_next();
  };
  const auto& after = engine_.services().after;
  after ? after(std::chrono::milliseconds(0), turn) : turn();
}

void ClaimChoice::look_at(const Attempt& attempt, const sysfs::PciAddress& address) {
  const bool facts_wanted = needs_facts(*attempt->request.selector) && !attempt->unfit.contains(address);
  return facts_wanted ? look_at_facts(attempt, address) : try_binding(attempt, address);
}

// A worker reads them, which may wake the device: asked for where the selector needs them only.
void ClaimChoice::look_at_facts(const Attempt& attempt, const sysfs::PciAddress& address) {
  const auto take = [this, attempt, address](const sysfs::Result<Attributes>& read) {
    auto reason = misfit(*attempt->request.selector, read);
    const bool fits = reason.empty();
    attempt->unfit[address] = fits ? std::string{} : "of " + sysfs::to_string(address) + " " + reason;
    return fits ? try_binding(attempt, address) : on_looked(attempt);
  };
  engine_.readers().attributes().read(address, sysfs::fact_attributes(), asker_of(attempt->claim.requester), take);
}

void ClaimChoice::note_finding(const Attempt& attempt, const sysfs::Device& device, Finding finding) {
  attempt->found.insert_or_assign(look_key(device), std::move(finding));
  on_looked(attempt);
}

void ClaimChoice::try_binding(const Attempt& attempt, const sysfs::PciAddress& address) {
  const auto& services = engine_.services();
  const auto* known = services.inventory.find(address);
  if (known == nullptr) {
    attempt->unfit[address] = "it is gone";
    return on_looked(attempt);
  }
  const auto device = *known;
  if (attempt->found.contains(look_key(device))) return on_looked(attempt);
  const auto group = claimable_group(services.inventory, address);
  if (auto evidence = not_to_go_along(*attempt->request.selector, group)) {
    attempt->evidence.push_back(*evidence);
    return note_finding(attempt, device, {evidence->detail});
  }
  if (const auto evidence = without_reset(services.tree, attempt->request, group))
    return note_finding(attempt, device, {evidence->detail});
  ChangeRequest request;
  request.address = address;
  request.driver = driver_for_group(services.modules, attempt->request, group);
  request.scope = Scope::Group;
  request.claim = attempt->claim.id;
  request.accept_risks = attempt->request.accept_risks;
  engine_.submit(std::move(request), attempt->claim.requester, true, [this, attempt, device](const Decision& decision) {
    note_finding(attempt, device, finding_in(decision));
  });
}

}  // namespace devbindd::handoff
