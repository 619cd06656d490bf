// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/candidates.hpp"

#include <algorithm>
#include <utility>

#include "handoff/model/permission.hpp"

namespace devbindd::handoff {
namespace {

NotFree claimed_by(const ClaimTable& claims, const sysfs::Device& device, const std::string& claim,
                   std::string detail) {
  NotFree taken{.device = device.address,
                .reason = NotFreeReason::Claimed,
                .detail = std::move(detail) + " is held by the claim " + claim,
                .claim = claim};
  if (const auto* holder = claims.find(claim)) taken.free_in = time_left(*holder);
  return taken;
}

// What stands in a claim's way and is known without a question.
std::optional<NotFree> obstacle(const Engine& engine, const ClaimTable& claims, const HeldDevices& held,
                                const sysfs::Device& device) {
  const auto name = sysfs::to_string(device.address);
  const auto claimed = held.devices.find(device.address);
  if (claimed != held.devices.end()) return claimed_by(claims, device, claimed->second, name);
  const auto group = device.iommu_group ? held.groups.find(*device.iommu_group) : held.groups.end();
  if (group != held.groups.end()) return claimed_by(claims, device, group->second, "the IOMMU group of " + name);
  if (engine.cordons().find(device) != nullptr)
    return NotFree{.device = device.address, .reason = NotFreeReason::Cordoned, .detail = name + " is cordoned"};
  const auto work = engine.work_on(device);
  if (work.empty()) return std::nullopt;
  return NotFree{.device = device.address,
                 .reason = NotFreeReason::Busy,
                 .detail = "operation " + work + " works on " + name + " or its IOMMU group",
                 .operation = work};
}

// Sorts a device that fits and that nobody has into its pool by what is known of it; gives back why it may not be
// taken.
std::optional<NotFree> sort_in(const ClaimAttempt& attempt, const std::set<std::string>& looked_at,
                               const sysfs::Device& device, Pool& pool) {
  const auto key = look_key(device);
  if (!attempt.dry_run && looked_at.contains(key)) {
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

// What the requester may not have does not count, and he is not told of it.
bool may_have(const ClaimAttempt& attempt, const LabelsOf& labels_of, const sysfs::Device& device) {
  const auto& permission = attempt.claim.requester.permission;
  return !permission || covers(*permission, device, labels_of ? labels_of(device) : Labels{});
}

}  // namespace

std::string look_key(const sysfs::Device& device) {
  return device.iommu_group ? std::to_string(*device.iommu_group) : sysfs::to_string(device.address);
}

Candidates find_candidates(const Engine& engine, const ClaimTable& claims, const LabelsOf& labels_of,
                           const ClaimAttempt& attempt, const std::set<std::string>& looked_at,
                           const sysfs::Inventory& inventory) {
  const auto& selector = *attempt.request.selector;
  const auto held = claims.held();
  Candidates candidates{.selection = {.wanted = selector.count}};
  for (const auto& [address, device] : inventory.devices()) {
    if (sysfs::is_pci_bridge(device) || !matches(selector, device)) continue;
    if (!selector.labels.empty() && !(labels_of && has_labels(labels_of(device), selector.labels))) continue;
    if (!may_have(attempt, labels_of, device)) continue;
    ++candidates.selection.fit;
    auto& pool = candidates.pools[selector.same_switch ? root_of(device) : std::string{}];
    auto obstructed = obstacle(engine, claims, held, device);
    if (!obstructed) obstructed = sort_in(attempt, looked_at, device, pool);
    if (obstructed) candidates.selection.add(std::move(*obstructed));
  }
  for (auto& [root, pool] : candidates.pools) std::ranges::stable_sort(pool.good, {}, &Pool::Candidate::rank);
  return candidates;
}

std::optional<int> rank_of(const Pool& pool, std::size_t count) {
  if (pool.good.size() < count) return std::nullopt;
  int rank = 0;
  for (std::size_t at = 0; at < count; ++at) rank += pool.good[at].rank;
  return rank;
}

}  // namespace devbindd::handoff
