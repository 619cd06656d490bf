// SPDX-License-Identifier: Apache-2.0
// Which devices a claim gets. Those that are held, drained or worked on are passed by without any question; of the
// others a dry run of their binding tells whether they may be taken. Choosing and holding happen in one turn of the
// loop, so that no two claims choose the same device. Not here: what becomes of the chosen ones (claims.cpp).
#include <algorithm>

#include "handoff/claim/claims_parts.hpp"
#include "handoff/model/vfio_driver.hpp"
#include "handoff/plan/verdict.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr std::size_t most_made_at_once = 32;  // claims; half of the operations that may run
constexpr std::size_t most_tried_at_once = 8;  // dry runs of claims
constexpr std::size_t most_in_line = 4096;
constexpr std::size_t most_better = 64;         // groups that are looked at in the hope of one without any evidence
constexpr std::size_t most_better_in_line = 4;  // the same while others wait for their turn
constexpr std::size_t most_looks_at_once = 16;

// How much a device is worth avoiding: nothing is said of it, a warning, a risk that was accepted.
int rank_of(const std::vector<Evidence>& evidence) {
  if (evidence.empty()) return 0;
  return std::ranges::any_of(evidence, [](const Evidence& item) { return item.severity == Severity::Block; }) ? 1000
                                                                                                              : 1;
}

std::optional<Evidence> not_to_go_along(const Selector& selector, const std::vector<sysfs::Device>& group) {
  const auto unmeant =
      std::ranges::find_if(group, [&](const sysfs::Device& member) { return !may_take_along(selector, member); });
  return unmeant == group.end() ? std::nullopt : std::optional(system_evidence(*unmeant));
}

// What the device itself is like says more than that somebody else has it.
const NotFree* most_telling(const Selection& selection) {
  const NotFree* telling = nullptr;
  for (const auto& device : selection.not_free) {
    const bool own = device.reason == NotFreeReason::Refused || device.reason == NotFreeReason::Unfit;
    if (telling == nullptr || own) telling = &device;
  }
  return telling;
}

std::string shortfall(const Selection& selection, const Selector& selector) {
  if (selection.fit == 0) return "of 0 devices that fit none is free: no device of this host is as the selector says";
  if (selection.fit < selection.wanted)
    return "of " + std::to_string(selection.fit) + " devices that fit, " + std::to_string(selection.wanted) +
           " are wanted: there are no more";
  auto detail = "of " + std::to_string(selection.fit) + " devices that fit, " + std::to_string(selection.free) +
                " of the " + std::to_string(selection.wanted) + " wanted are free" +
                (selector.same_switch ? " below one root port" : "");
  const auto* telling = most_telling(selection);
  if (telling == nullptr) return detail;
  auto why = telling->detail;
  if (why.ends_with('.')) why.pop_back();
  return detail + "; one is not since: " + why;
}

std::string next_step_for(const Selection& selection) {
  if (selection.fit < selection.wanted)
    return "GET /v1/devices, with the same members as parameters, shows which there are; labels come from the "
           "policies.";
  const bool risky = std::ranges::any_of(selection.not_free,
                                         [](const NotFree& device) { return device.reason == NotFreeReason::Refused; });
  return risky ? "Want fewer devices or others; or ask for a device by its address: that tells whether what speaks "
                 "against it can be accepted."
               : "Want fewer devices or others, or wait until some are free.";
}

Refusal not_enough(const Selection& selection, const Selector& selector, const std::vector<Evidence>& found) {
  const auto detail = shortfall(selection, selector);
  Refusal refused{{ErrorCode::NotEnoughDevices, detail}, found, {}};
  refused.evidence.push_back({.code = "claim.not_enough",
                              .severity = Severity::Block,
                              .detail = detail + ".",
                              .next_step = next_step_for(selection)});
  refused.selection = selection;
  return refused;
}

std::string key_of(const sysfs::Device& device) {
  return device.iommu_group ? std::to_string(*device.iommu_group) : sysfs::to_string(device.address);
}

}  // namespace

// What stands in a claim's way and is known without a question: which claim holds what.
struct Claims::Held {
  std::map<sysfs::PciAddress, std::string> devices = {};
  std::map<unsigned, std::string> groups = {};
};

// The devices that fit of one pool: only those of one may go together.
struct Claims::Pool {
  struct Candidate {
    int rank = 0;
    const sysfs::Device* device = nullptr;
  };
  std::vector<Candidate> good = {};                // may be taken, the best first
  std::vector<const sysfs::Device*> unknown = {};  // not looked at yet
  bool others_look = false;                        // some are looked at for another claim, which may take them
};

// --- whose turn it is

// Few at once, each with all that it needs: n claims then take n times as long as one.
void Claims::line_up(const std::shared_ptr<Attempt>& attempt) {
  auto& line = attempt->dry_run ? trying_ : making_now_;
  if (line.waiting.size() >= most_in_line)
    return attempt->drop(refusal(ErrorCode::TooBusy, "too many claims wait to be made"));
  line.waiting.push_back(attempt);
  go_on(line);
}

void Claims::go_on(Line& line) {
  if (std::exchange(line.going_on, true)) return;
  const auto most = &line == &trying_ ? most_tried_at_once : most_made_at_once;
  while (line.at_work < most && !line.waiting.empty()) {
    const auto attempt = std::move(line.waiting.front());
    line.waiting.pop_front();
    ++line.at_work;
    for (auto* answer : {&attempt->done, &attempt->drop}) {
      *answer = [this, at_work = std::weak_ptr(attempt), &line, tell = std::move(*answer)](Outcome outcome) {
        if (const auto over = at_work.lock()) stop_looking(*over);
        --line.at_work;
        tell(std::move(outcome));
        go_on(line);
      };
    }
    find_owners(attempt);
  }
  line.going_on = false;
}

// Nothing is done for a client that has left, and nothing is written of it.
bool Claims::has_left(const std::shared_ptr<Attempt>& attempt) {
  const auto connection = attempt->claim.requester.connection.lock();
  if (!connection || !connection->has_left || !connection->has_left()) return false;
  attempt->drop(refusal(ErrorCode::ClaimNotActive, "the client left before the claim was made"));
  return true;
}

// --- which devices

bool Claims::is_labelled(const sysfs::Device& device, const Labels& wanted) const {
  return wanted.empty() || (hooks_.labels_of && has_labels(hooks_.labels_of(device), wanted));
}

Claims::Held Claims::held() const {
  Held held;
  for (const auto& id : holding_) {
    for (const auto& device : claims_.at(id).devices) {
      held.devices.emplace(device.address, id);
      if (device.iommu_group) held.groups.emplace(*device.iommu_group, id);
    }
  }
  return held;
}

NotFree Claims::claimed_by(const sysfs::Device& device, const std::string& claim, std::string detail) const {
  NotFree taken{.device = device.address,
                .reason = NotFreeReason::Claimed,
                .detail = std::move(detail) + " is held by the claim " + claim,
                .claim = claim};
  if (const auto* holder = find(claim)) taken.free_in = time_left(*holder);
  return taken;
}

std::optional<NotFree> Claims::obstacle(const Held& held, const sysfs::Device& device) const {
  const auto name = sysfs::to_string(device.address);
  const auto claimed = held.devices.find(device.address);
  if (claimed != held.devices.end()) return claimed_by(device, claimed->second, name);
  const auto group = device.iommu_group ? held.groups.find(*device.iommu_group) : held.groups.end();
  if (group != held.groups.end()) return claimed_by(device, group->second, "the IOMMU group of " + name);
  if (engine_.drains().find(device) != nullptr)
    return NotFree{.device = device.address, .reason = NotFreeReason::Drained, .detail = name + " is drained"};
  const auto work = engine_.work_on(device);
  if (work.empty()) return std::nullopt;
  return NotFree{.device = device.address,
                 .reason = NotFreeReason::Busy,
                 .detail = "operation " + work + " works on " + name + " or its IOMMU group",
                 .operation = work};
}

void Claims::choose(const std::shared_ptr<Attempt>& attempt) {
  if (has_left(attempt) || is_made_already(attempt)) return;
  auto inventory = engine_.current();
  if (!inventory) return attempt->done(Refusal{inventory.error(), {}, {}});
  attempt->chosen.clear();
  if (attempt->request.selector) return select(attempt, **inventory);
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
  hold(attempt);
}

// Sorts a device that fits and that nobody has into its pool by what is known of it; gives back why it may not be
// taken.
std::optional<NotFree> Claims::sort_in(const Attempt& attempt, const sysfs::Device& device, Pool& pool) const {
  const auto key = key_of(device);
  if (!attempt.dry_run && looked_at_.contains(key)) {
    pool.others_look = true;
    return std::nullopt;
  }
  const auto unfit = attempt.unfit.find(device.address);
  if (unfit != attempt.unfit.end() && !unfit->second.empty())
    return NotFree{.device = device.address, .reason = NotFreeReason::Unfit, .detail = unfit->second};
  const auto found = attempt.found.find(key);
  if (found != attempt.found.end() && !found->second.reason.empty())
    return NotFree{.device = device.address, .reason = NotFreeReason::Refused, .detail = found->second.reason};
  if (found == attempt.found.end() || (needs_facts(*attempt.request.selector) && unfit == attempt.unfit.end())) {
    pool.unknown.push_back(&device);
  } else {
    pool.good.push_back({found->second.rank, &device});
  }
  return std::nullopt;
}

// One with a warning or an accepted risk is taken for want of a better one only.
void Claims::select(const std::shared_ptr<Attempt>& attempt, const sysfs::Inventory& inventory) {
  const auto& selector = *attempt->request.selector;
  const auto known = held();
  std::map<std::string, Pool> pools;
  Selection selection{.wanted = selector.count};
  for (const auto& [address, device] : inventory.devices()) {
    if (sysfs::is_pci_bridge(device) || !matches(selector, device) || !is_labelled(device, selector.labels)) continue;
    ++selection.fit;
    auto& pool = pools[selector.same_switch ? root_of(device) : std::string{}];
    auto obstructed = obstacle(known, device);
    if (!obstructed) obstructed = sort_in(*attempt, device, pool);
    if (obstructed) selection.add(std::move(*obstructed));
  }
  std::optional<int> best;
  bool others_look = false;
  for (auto& [root, pool] : pools) {
    std::ranges::stable_sort(pool.good, {}, &Pool::Candidate::rank);
    const bool enough = pool.good.size() >= selector.count;
    const bool clean = enough && pool.good[selector.count - 1].rank == 0;
    if (!clean && !pool.unknown.empty() && (!enough || look_further(*attempt, root)))
      return look(attempt, pool.unknown, enough ? 1 : selector.count - pool.good.size());
    selection.free = std::max(selection.free, pool.good.size());
    others_look |= pool.others_look;
    if (!enough) continue;
    int rank = 0;
    for (std::size_t at = 0; at < selector.count; ++at) rank += pool.good[at].rank;
    if (best && *best <= rank) continue;
    best = rank;
    attempt->chosen.clear();
    for (std::size_t at = 0; at < selector.count; ++at) attempt->chosen.push_back(pool.good[at].device->address);
    if (clean) break;
  }
  if (best) return hold(attempt);
  if (others_look) return waiting_for_looks_.push_back(attempt);
  attempt->done(not_enough(selection, *attempt->request.selector, attempt->evidence));
}

// There are enough devices, with evidence: some more are looked at for better ones.
bool Claims::look_further(Attempt& attempt, const std::string& pool) const {
  const auto most = making_now_.waiting.empty() ? most_better : most_better_in_line;
  return attempt.looked_further[pool]++ < most;
}

// --- a look at some of them

// A dry run of the binding says whether a device with its group may be taken: nobody uses it, and the kernel can do it.
// While it is looked at it is no other claim's, so that a crowd does not look at one and the same device.
void Claims::look(const std::shared_ptr<Attempt>& attempt, const std::vector<const sysfs::Device*>& unknown,
                  std::size_t wanted) {
  std::map<std::string, sysfs::PciAddress> chosen;
  for (const auto* device : unknown) {
    if (chosen.size() < std::min(wanted, most_looks_at_once)) chosen.emplace(key_of(*device), device->address);
  }
  for (const auto& [key, address] : chosen) {
    if (!attempt->dry_run && looked_at_.insert(key).second) attempt->looking_at.insert(key);
  }
  attempt->looks = chosen.size() + 1;
  for (const auto& [key, address] : chosen) look_at(attempt, address);
  looked(attempt);
}

void Claims::looked(const std::shared_ptr<Attempt>& attempt) {
  if (--attempt->looks > 0) return;
  for (const auto& key : attempt->looking_at) looked_at_.erase(key);
  attempt->looking_at.clear();
  choose(attempt);
  wake_waiting();
}

void Claims::stop_looking(Attempt& attempt) {
  if (attempt.looking_at.empty()) return;
  for (const auto& key : attempt.looking_at) looked_at_.erase(key);
  attempt.looking_at.clear();
  wake_waiting();
}

void Claims::wake_waiting() {
  for (const auto& attempt : std::exchange(waiting_for_looks_, {})) choose(attempt);
}

void Claims::look_at(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address) {
  if (needs_facts(*attempt->request.selector) && !attempt->unfit.contains(address))
    return look_at_facts(attempt, address);
  try_binding(attempt, address);
}

// What a worker reads of a candidate, which may wake it: asked for where the selector needs it only.
void Claims::look_at_facts(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address) {
  const auto take = [this, attempt, address](const sysfs::Result<Attributes>& read) {
    auto reason = read ? std::string{} : read.error().message;
    if (read) {
      std::map<std::string, std::string> contents;
      for (const auto& [name, attribute] : *read) {
        if (attribute.error.empty()) contents.emplace(name, attribute.content);
      }
      reason = mismatch(*attempt->request.selector, sysfs::facts_from(contents));
    }
    attempt->unfit[address] = reason;
    if (reason.empty()) return try_binding(attempt, address);
    attempt->unfit[address] = "of " + sysfs::to_string(address) + " " + reason;
    looked(attempt);
  };
  engine_.attributes().read(address, sysfs::fact_attributes(), asker_of(attempt->claim.requester), take);
}

void Claims::note_finding(const std::shared_ptr<Attempt>& attempt, const sysfs::Device& device, Finding finding) {
  attempt->found.insert_or_assign(key_of(device), std::move(finding));
  looked(attempt);
}

void Claims::try_binding(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address) {
  const auto* known = engine_.services().inventory.find(address);
  if (known == nullptr) {
    attempt->unfit[address] = "it is gone";
    return looked(attempt);
  }
  const auto device = *known;
  if (attempt->found.contains(key_of(device))) return looked(attempt);
  const auto group = group_of(address);
  if (auto evidence = not_to_go_along(*attempt->request.selector, group)) {
    attempt->evidence.push_back(*evidence);
    return note_finding(attempt, device, {evidence->detail});
  }
  if (const auto evidence = without_reset(attempt->request, group))
    return note_finding(attempt, device, {evidence->detail});
  ChangeRequest request;
  request.address = address;
  request.driver = driver_for(attempt->request, group);
  request.scope = Scope::Group;
  request.claim = attempt->claim.id;
  request.accept_risks = attempt->request.accept_risks;
  engine_.submit(std::move(request), attempt->claim.requester, true, [this, attempt, device](const Decision& decision) {
    Finding finding;
    if (const auto* preview = std::get_if<Preview>(&decision)) {
      finding.rank = rank_of(preview->plan.evidence);
      if (!preview->refused_by.empty()) finding.reason = preview->refused_by.front().detail;
    } else if (const auto* refused = std::get_if<Refusal>(&decision)) {
      finding.reason = refused->error.message;
    }
    note_finding(attempt, device, std::move(finding));
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

}  // namespace devbindd::handoff
