// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/device_locks.hpp"

#include <utility>

namespace devbindd::handoff {
namespace {

constexpr const char* family_mark = " of ";  // between a PF and a VF in a key

std::string device_key(const sysfs::Device& device) {
  return device.iommu_group ? "group " + std::to_string(*device.iommu_group)
                            : "device " + sysfs::to_string(device.address);
}

// Calls `see` with each entry of a table by keys that excludes the key: its own, that of its PF, those of its VFs.
template <class Map, class See>
void for_each_excluding(const Map& map, const std::string& key, See see) {
  if (const auto found = map.find(key); found != map.end()) see(found->second);
  if (const auto mark = key.find(family_mark); mark != std::string::npos) {
    if (const auto parent = map.find(key.substr(0, mark)); parent != map.end()) see(parent->second);
  }
  const auto prefix = key + family_mark;
  for (auto child = map.lower_bound(prefix); child != map.end() && child->first.starts_with(prefix); ++child)
    see(child->second);
}

}  // namespace

LockKeys keys_of(const std::vector<sysfs::Device>& devices) {
  LockKeys keys;
  for (const auto& device : devices) {
    keys.insert(device_key(device));
    if (device.physfn)
      keys.insert("function " + sysfs::to_string(*device.physfn) + family_mark + sysfs::to_string(device.address));
    if (device.sriov_totalvfs) keys.insert("function " + sysfs::to_string(device.address));
  }
  return keys;
}

DeviceLocks::Lock& DeviceLocks::Lock::operator=(Lock&& other) noexcept {
  if (this == &other) return *this;
  release();
  table_ = std::move(other.table_);
  keys_ = std::move(other.keys_);
  return *this;
}

void DeviceLocks::Lock::release() {
  if (table_ == nullptr) return;
  ++table_->releases;
  for (const auto& key : keys_) {
    table_->holders.erase(key);
    table_->released_at.insert_or_assign(key, table_->releases);
  }
  table_.reset();
}

std::string DeviceLocks::holder_of(const LockKeys& keys) const {
  std::string holder;
  for (const auto& key : keys) {
    for_each_excluding(table_->holders, key, [&holder](const std::string& one) {
      if (holder.empty()) holder = one;
    });
  }
  return holder;
}

bool DeviceLocks::released_since(std::uint64_t count, const LockKeys& keys) const {
  bool released = false;
  for (const auto& key : keys) {
    for_each_excluding(table_->released_at, key, [&released, count](std::uint64_t at) { released |= at > count; });
  }
  return released;
}

DeviceLocks::Lock DeviceLocks::take(const LockKeys& keys, const std::string& holder) {
  LockKeys taken;
  for (const auto& key : keys) {
    if (table_->holders.emplace(key, holder).second) taken.insert(key);
  }
  return {table_, std::move(taken)};
}

}  // namespace devbindd::handoff
