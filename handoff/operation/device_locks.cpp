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
  for (const auto& key : keys_) table_->erase(key);
  table_.reset();
}

std::string DeviceLocks::holder_of(const LockKeys& keys) const {
  for (const auto& key : keys) {
    if (const auto found = table_->find(key); found != table_->end()) return found->second;
    const auto mark = key.find(family_mark);
    if (const auto parent = table_->find(key.substr(0, mark)); parent != table_->end()) return parent->second;
    const auto child = table_->lower_bound(key + family_mark);
    if (child != table_->end() && child->first.starts_with(key + family_mark)) return child->second;
  }
  return {};
}

DeviceLocks::Lock DeviceLocks::take(const LockKeys& keys, const std::string& holder) {
  LockKeys taken;
  for (const auto& key : keys) {
    if (table_->emplace(key, holder).second) taken.insert(key);
  }
  return {table_, std::move(taken)};
}

}  // namespace devbindd::handoff
