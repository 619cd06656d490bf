// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "handoff/journal/journal.hpp"

namespace devbindd::handoff {

Claim* ClaimTable::find(const std::string& id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.claim;
}

const Claim* ClaimTable::find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.claim;
}

std::vector<const Claim*> ClaimTable::all() const {
  std::vector<const Claim*> list;
  for (const auto& id : order_) list.push_back(&at(id));
  return list;
}

std::string ClaimTable::holder_of(const sysfs::Device& device) const {
  if (known_of_ != generation_) {
    known_holders_ = held();
    known_of_ = generation_;
  }
  const auto by_address = known_holders_.devices.find(device.address);
  if (by_address != known_holders_.devices.end()) return by_address->second;
  if (!device.iommu_group) return {};
  const auto by_group = known_holders_.groups.find(*device.iommu_group);
  return by_group == known_holders_.groups.end() ? std::string{} : by_group->second;
}

HeldDevices ClaimTable::held() const {
  HeldDevices held;
  for (const auto& id : holding_) {
    for (const auto& device : at(id).devices) {
      held.devices.emplace(device.address, id);
      if (device.iommu_group) held.groups.emplace(*device.iommu_group, id);
    }
  }
  return held;
}

const Claim* ClaimTable::with_key(const ClaimRequest& request, const Requester& requester) const {
  if (request.idempotency_key.empty()) return nullptr;
  for (const auto& [id, entry] : entries_) {
    const auto& claim = entry.claim;
    if (claim.request.idempotency_key == request.idempotency_key && same_user(claim.requester, requester) &&
        is_key_known(claim))
      return &claim;
  }
  return nullptr;
}

void ClaimTable::add(Claim claim) {
  ++generation_;
  claim.fencing_token = ++last_token_;
  const auto id = claim.id;
  holding_.insert(id);
  order_.push_back(id);
  entries_.emplace(id, Entry{std::move(claim)});
}

void ClaimTable::adopt(Claim claim) {
  ++generation_;
  const auto id = claim.id;
  last_token_ = std::max(last_token_, claim.fencing_token);
  if (holds_devices(claim)) holding_.insert(id);
  if (!entries_.contains(id)) order_.push_back(id);
  entries_.insert_or_assign(id, Entry{std::move(claim)});
}

void ClaimTable::remove(const std::string& id) {
  ++generation_;
  holding_.erase(id);
  std::erase(order_, id);
  entries_.erase(id);
}

std::vector<Claim> ClaimTable::retire(const std::string& ended) {
  ++generation_;
  holding_.erase(ended);
  std::erase(order_, ended);
  order_.push_back(ended);
  std::vector<std::string> others;
  std::vector<std::string> without_key;
  std::map<std::optional<unsigned>, std::vector<std::string>> kept;
  for (const auto& id : order_) {
    const auto& claim = at(id);
    if (holds_devices(claim)) continue;
    const bool known = is_key_known(claim);
    (known ? kept[claim.requester.uid] : others).push_back(id);
    if (!known && claim.made && !claim.request.idempotency_key.empty()) without_key.push_back(id);  // its day is over
  }
  for (const auto& [uid, ids] : kept) {
    if (ids.size() > max_keys_each) without_key.push_back(ids.front());
  }
  std::vector<Claim> changed;
  for (const auto& id : without_key) {
    at(id).made = false;
    changed.push_back(at(id));
  }
  for (std::size_t oldest = 0; oldest + max_ended_claims < others.size(); ++oldest) remove(others[oldest]);
  return changed;
}

void ClaimTable::answer_creators(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  for (const auto& answer : std::exchange(found->second.run.when_made, {})) answer();
}

void ClaimTable::answer_releasers(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  for (const auto& answer : std::exchange(found->second.run.when_released, {})) answer(std::nullopt);
}

}  // namespace devbindd::handoff
