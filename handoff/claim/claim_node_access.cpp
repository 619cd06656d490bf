// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_node_access.hpp"

#include <map>
#include <memory>
#include <ranges>
#include <utility>

namespace devbindd::handoff {
namespace {

constexpr const char* iommu_node = "/dev/iommu";

void take_away(vfio::Grantees& from, const vfio::Grantees& grantees) {
  for (const auto uid : grantees.uids) std::erase(from.uids, uid);
  for (const auto gid : grantees.gids) std::erase(from.gids, gid);
}

// Those of the claim's owners who could use this very node before.
vfio::Grantees earlier_on(const Claim& claim, const vfio::Node& node) {
  if (!claim.earlier_access) return {};
  for (const auto& earlier : *claim.earlier_access) {
    if (earlier.path == node.path && earlier.inode == node.status.inode) return earlier.grantees;
  }
  return {};
}

bool is_nobody(const vfio::Grantees& grantees) { return grantees.uids.empty() && grantees.gids.empty(); }

sysfs::Result<> without_value(const AccessQueue::Answers<ChangeAccess>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

}  // namespace

ClaimNodeAccess::ClaimNodeAccess(Engine& engine, ClaimTable& claims, const ClaimRecords& records)
    : engine_(engine), claims_(claims), records_(records), queue_(engine.services().run_task) {}

// Nobody is given a card that replaced his own; its node is closed to him all the same.
sysfs::Result<std::vector<vfio::Node>> ClaimNodeAccess::nodes_of(const Claim& claim, bool of_another_card) const {
  std::map<std::string, vfio::Node> found;
  const auto& services = engine_.services();
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    if (device == nullptr || (!of_another_card && is_another(claimed, *device))) continue;
    const auto nodes = vfio::nodes_of(services.tree, *device);
    if (!nodes) return std::unexpected(nodes.error());
    if (nodes->group) found.insert({nodes->group->path, *nodes->group});
    if (nodes->cdev) found.insert({nodes->cdev->path, *nodes->cdev});
  }
  const auto iommu = services.tree.status("dev/iommu");
  if (!iommu) return std::unexpected(iommu.error());
  if (*iommu) found.insert({iommu_node, {iommu_node, **iommu}});
  const auto nodes = std::views::values(found);
  return std::vector<vfio::Node>(nodes.begin(), nodes.end());
}

// Who is to lose the node at the claim's end. /dev/iommu is everybody's: who has it by another claim still needs it.
// One that has not opened its nodes yet may never do so, and opens this one itself.
vfio::Grantees ClaimNodeAccess::to_lose(const vfio::Node& node, const Claim& claim) const {
  if (!claim.earlier_access) return {};  // nothing was opened yet
  auto grantees = claim.grantees;
  take_away(grantees, earlier_on(claim, node));
  if (node.path != iommu_node) return grantees;
  for (const auto* other : claims_.all()) {
    const bool opens = other->state == ClaimState::Preparing && other->earlier_access;
    if (other->id != claim.id && (other->state == ClaimState::Active || opens)) take_away(grantees, other->grantees);
  }
  return grantees;
}

AccessQueue::Tasks<ChangeAccess> ClaimNodeAccess::changes_for(const Claim& claim, AccessChange change) const {
  const bool revoke = change == AccessChange::Revoke;
  const auto nodes = nodes_of(claim, revoke);
  if (!nodes) return std::unexpected(nodes.error());
  std::vector<ChangeAccess> changes;
  for (const auto& node : *nodes) {
    auto grantees = revoke ? to_lose(node, claim) : claim.grantees;
    if (!is_nobody(grantees)) changes.push_back({.change = change, .grantees = std::move(grantees), .path = node.path});
  }
  return changes;
}

// On /dev/iommu, what another claim has given is not from before.
std::vector<EarlierAccess> ClaimNodeAccess::earlier_access(const Claim& claim, const std::vector<vfio::Node>& nodes,
                                                           const std::vector<vfio::Grantees>& found) const {
  std::vector<EarlierAccess> earlier;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto had = found.at(i);
    for (const auto* other : claims_.all()) {
      if (nodes[i].path != iommu_node || other->id == claim.id || !holds_devices(*other)) continue;
      auto given = other->grantees;
      take_away(given, earlier_on(*other, nodes[i]));
      take_away(had, given);
    }
    if (!is_nobody(had)) earlier.push_back({nodes[i].path, nodes[i].status.inode, std::move(had)});
  }
  return earlier;
}

void ClaimNodeAccess::note_earlier(const std::string& id, Done done) {
  const auto& claim = claims_.at(id);
  if (claim.earlier_access || is_nobody(claim.grantees)) return done({});
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  const auto nodes = std::make_shared<std::vector<vfio::Node>>();
  queue_.add<FindAccess>(
      [this, id, nodes]() -> AccessQueue::Tasks<FindAccess> {
        const auto& looking = claims_.at(id);
        auto there = nodes_of(looking, false);
        if (!there) return std::unexpected(there.error());
        *nodes = std::move(*there);
        std::vector<FindAccess> looks;
        for (const auto& node : *nodes) looks.push_back({.grantees = looking.grantees, .path = node.path});
        return looks;
      },
      [this, id, nodes, done = std::move(done)](const AccessQueue::Answers<FindAccess>& found) {
        if (!found) return done(std::unexpected(found.error()));
        auto& looked = claims_.at(id);
        looked.earlier_access = earlier_access(looked, *nodes, *found);
        records_.store(looked, done);
      });
}

// What was true when it was asked for may be over when its turn comes.
void ClaimNodeAccess::grant(const std::string& id, Done done) {
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  queue_.add<ChangeAccess>(
      [this, id]() -> AccessQueue::Tasks<ChangeAccess> {
        const auto* claim = claims_.find(id);
        const bool wanted =
            claim != nullptr && (claim->state == ClaimState::Active || claim->state == ClaimState::Preparing);
        return wanted ? changes_for(*claim, AccessChange::Grant) : AccessQueue::Tasks<ChangeAccess>();
      },
      [done = std::move(done)](const AccessQueue::Answers<ChangeAccess>& granted) { done(without_value(granted)); });
}

void ClaimNodeAccess::revoke(const std::string& id, Done done) {
  if (claims_.run_of(id).nodes_closed) return done({});
  if (auto known = engine_.current(); !known) return done(std::unexpected(known.error()));
  queue_.add<ChangeAccess>([this, id] { return changes_for(claims_.at(id), AccessChange::Revoke); },
                           [this, id, done = std::move(done)](const AccessQueue::Answers<ChangeAccess>& revoked) {
                             if (revoked && claims_.find(id) != nullptr) claims_.run_of(id).nodes_closed = true;
                             done(without_value(revoked));
                           });
}

void ClaimNodeAccess::grant_all() {
  for (const auto* claim : claims_.all()) {
    if (claim->state != ClaimState::Active) continue;
    grant(claim->id, [this](const sysfs::Result<>& granted) { records_.warn(granted); });
  }
}

}  // namespace devbindd::handoff
