// SPDX-License-Identifier: Apache-2.0
#include "api/context/event_feed.hpp"

#include <algorithm>
#include <utility>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

template <class Value>
bool contains(const std::vector<Value>& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

template <class Value>
bool meet(const std::vector<Value>& wanted, const std::vector<Value>& named) {
  return std::ranges::any_of(named, [&wanted](const Value& one) { return contains(wanted, one); });
}

}  // namespace

bool wants(const EventFilter& filter, const handoff::HostEvent& event) {
  if (event.kind == handoff::EventKind::Missed) return true;
  if (!filter.kinds.empty() && !contains(filter.kinds, std::string(handoff::name_of(event.kind)))) return false;
  if (!filter.claims.empty() && !contains(filter.claims, event.claim)) return false;
  if (!filter.operations.empty() && !contains(filter.operations, event.operation)) return false;
  if (filter.devices.empty() && filter.iommu_groups.empty()) return true;
  if (event.devices.empty()) return filter.iommu_groups.empty() || event.kind == handoff::EventKind::UsageChanged;
  return meet(filter.devices, event.devices) || meet(filter.iommu_groups, event.iommu_groups);
}

void EventFeed::add(handoff::HostEvent event) {
  auto document = render_(event, id_of(++newest_));
  bytes_ += document.size();
  entries_.push_back({newest_, std::move(event), std::move(document)});
  while (entries_.size() > max_events || bytes_ > max_bytes) {
    bytes_ -= entries_.front().document.size();
    entries_.pop_front();
  }
  if (std::exchange(to_wake_, true)) return;
  later_([this] { wake(); });
}

void EventFeed::wake() {
  to_wake_ = false;
  for (const auto& weak : std::exchange(waiting_, {})) {
    if (const auto ready = weak.lock()) (*ready)();
  }
}

std::optional<std::uint64_t> EventFeed::number_of(std::string_view id) const {
  if (!id.starts_with(epoch_) || id.size() <= epoch_.size() || id[epoch_.size()] != '-') return std::nullopt;
  const auto number = sysfs::number_from<std::uint64_t>(id.substr(epoch_.size() + 1));
  return number && *number <= newest_ ? number : std::nullopt;
}

bool EventFeed::reaches_back_to(std::uint64_t number) const {
  return number == newest_ || (!entries_.empty() && entries_.front().number <= number + 1);
}

const EventFeed::Entry* EventFeed::after(std::uint64_t number) const {
  if (entries_.empty() || number >= newest_) return nullptr;
  const auto first = entries_.front().number;
  return &entries_[number < first ? 0 : static_cast<std::size_t>(number + 1 - first)];
}

EventFeed::Waiting EventFeed::when_more(std::function<void()> ready) {
  auto waiting = std::make_shared<std::function<void()>>(std::move(ready));
  // Those who have left are forgotten now and then, so that a quiet host does not collect them.
  if (waiting_.size() >= 64 && waiting_.size() > 2 * followers_->all)
    std::erase_if(waiting_, [](const auto& weak) { return weak.expired(); });
  waiting_.push_back(waiting);
  return waiting;
}

EventFeed::Place::~Place() {
  const auto found = followers_->by_user.find(uid_);
  --followers_->all;
  if (!trusted_ && --found->second == 0) followers_->by_user.erase(found);
}

std::shared_ptr<const EventFeed::Place> EventFeed::enter(std::optional<unsigned> uid, bool trusted) {
  const auto of_user = followers_->by_user.find(uid);
  const bool full = of_user != followers_->by_user.end() && of_user->second >= max_followers_each;
  if (followers_->all >= max_followers || (!trusted && full)) return nullptr;
  ++followers_->all;
  if (!trusted) ++followers_->by_user[uid];
  return std::make_shared<const Place>(followers_, uid, trusted);
}

}  // namespace devbindd::api
