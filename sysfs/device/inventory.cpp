// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/inventory.hpp"

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {

void Inventory::apply(const UeventBatch& batch) {
  if (batch.lost) {
    mark_all();
    ++driver_generation_;
  }
  for (const auto& event : batch.events) {
    // A PF changes when its VFs come and go, a bridge's path stands in every path below it: all are read again.
    const auto addresses = addresses_in(event.devpath);
    for (const auto& address : addresses) mark(address);
    if (!addresses.empty()) note_unsettled(event, addresses.back());
    if (event.subsystem == "module" || event.subsystem == "drivers") {
      ++driver_generation_;
      if (event.action == "remove") going_.insert("sys" + event.devpath);
    }
  }
  for (const auto& written : batch.written) mark(written.device);
}

// The kernel tells of a removal before it removes, and of an interface before it has moved it: what is read right after
// the event may be how it was. Source: drivers/base/core.c, device_del(); net/core/dev.c, dev_change_net_namespace().
void Inventory::note_unsettled(const Uevent& event, const PciAddress& address) {
  const auto now = std::chrono::steady_clock::now();
  const bool of_itself = event.subsystem == "pci";
  if (of_itself && event.action == "remove") unsettled_[address] = std::chrono::steady_clock::time_point::max();
  if (of_itself && event.action == "add") unsettled_.erase(address);
  if (!of_itself && (event.action == "remove" || event.subsystem == "net")) {
    auto& until = unsettled_[address];
    until = std::max(until, now + time_to_settle);
  }
}

// Those that are gone, or have had their time, are settled with this look.
void Inventory::look_again() {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [address, until] : unsettled_) marked_.insert(address);
  std::erase_if(unsettled_, [now](const auto& entry) { return entry.second < now; });
  if (!going_.empty()) ++driver_generation_;
  std::erase_if(going_, [this](const std::string& path) { return !exists(tree_, path); });
}

void Inventory::mark(const PciAddress& address) { marked_.insert(address); }

void Inventory::mark_if_moved(const PciAddress& address) {
  const auto* const known = find(address);
  const auto driver = link_name(tree_, paths::device(address) + "/driver");
  const auto name = known != nullptr && known->driver ? std::optional(known->driver->text()) : std::nullopt;
  const bool moved = known == nullptr || !driver || *driver != name;
  // One that has no driver and one that is gone have both no such link.
  if (moved || (!name && !exists(tree_, paths::device(address)))) mark(address);
}

void Inventory::mark_all() { all_marked_ = true; }

Result<> Inventory::refresh() {
  if (all_marked_) {
    auto done = read_all();
    if (!done) return done;
    all_marked_ = false;
    marked_.clear();
    return {};
  }
  look_again();
  auto marked = std::exchange(marked_, {});
  marked.insert(unwatched_.begin(), unwatched_.end());
  for (const auto& address : marked) {
    auto done = read_one(address);
    if (!done) {
      marked_ = marked;
      return done;
    }
  }
  return {};
}

// What is written to a file between its reading and the watch would never be seen.
void Inventory::watch(const PciAddress& address) {
  if (!watch_files_ || watched_.contains(address)) return;
  if (!watch_files_(address, true)) {
    unwatched_.insert(address);
    return;
  }
  watched_.insert(address);
  unwatched_.erase(address);
}

Result<> Inventory::read_all() {
  ++scans_;
  auto addresses = list_devices(tree_);
  if (!addresses) return std::unexpected(addresses.error());
  std::map<PciAddress, Device> fresh;
  for (const auto& address : *addresses) {
    watch(address);
    auto device = read_device(tree_, address);
    if (!device && device.error().code == ErrorCode::DeviceNotFound) continue;  // unplugged since it was listed
    if (!device) return std::unexpected(device.error());
    fresh.emplace(address, std::move(*device));
  }
  replace_all(std::move(fresh));
  read_once_ = true;
  return {};
}

void Inventory::replace_all(std::map<PciAddress, Device> fresh) {
  if (fresh == devices_) return;
  if (read_once_) {
    std::vector<PciAddress> gone;
    for (const auto& [address, device] : devices_) {
      if (!fresh.contains(address)) gone.push_back(address);
    }
    for (const auto& address : gone) drop(address);
    for (auto& [address, device] : fresh) {
      const auto known = devices_.find(address);
      if (known == devices_.end() || known->second != device) put(address, std::move(device));
    }
    return;
  }
  ++generation_;
  devices_ = std::move(fresh);
  for (const auto& [address, device] : devices_) {
    revisions_[address] = generation_;
    enter(device);
  }
}

Result<> Inventory::read_one(const PciAddress& address) {
  watch(address);
  auto device = read_device(tree_, address);
  if (device && is_another_one(*device)) {
    watch_files_(address, false);
    watched_.erase(address);
    watch(address);
    device = read_device(tree_, address);
  }
  if (!device) {
    if (device.error().code != ErrorCode::DeviceNotFound) return std::unexpected(device.error());
    const auto* const known = find(address);
    const auto physfn = known != nullptr ? known->physfn : std::nullopt;
    drop(address);
    // Kernels tell nothing about a PF whose VFs go.
    if (physfn && *physfn != address) return read_one(*physfn);
    return {};
  }
  const auto known = devices_.find(address);
  if (known != devices_.end() && known->second == *device) return {};
  put(address, std::move(*device));
  return {};
}

// Removed and found anew between two looks: what was watched is gone.
bool Inventory::is_another_one(const Device& device) const {
  const auto* const known = find(device.address);
  return known != nullptr && known->inode != device.inode && watched_.contains(device.address);
}

void Inventory::put(const PciAddress& address, Device device) {
  DeviceChange change{.address = address};
  if (const auto known = devices_.find(address); known != devices_.end()) {
    leave(known->second);
    change.before = std::move(known->second);
  }
  enter(device);
  change.after = device;
  devices_.insert_or_assign(address, std::move(device));
  revisions_[address] = ++generation_;
  note(std::move(change));
}

void Inventory::drop(const PciAddress& address) {
  unwatched_.erase(address);
  unsettled_.erase(address);
  if (watched_.erase(address) > 0) watch_files_(address, false);
  auto known = devices_.extract(address);
  if (known.empty()) return;
  leave(known.mapped());
  revisions_.erase(address);
  ++generation_;
  note({.address = address, .before = std::move(known.mapped()), .after = std::nullopt});
}

void Inventory::note(DeviceChange change) {
  if (changes_.size() == max_changes) {
    changes_.clear();
    changes_lost_ = true;
  }
  changes_.push_back(std::move(change));
}

std::vector<DeviceChange> Inventory::take_changes(bool& lost) {
  lost = std::exchange(changes_lost_, false);
  return std::exchange(changes_, {});
}

std::uint64_t Inventory::revision_of(const PciAddress& address) const {
  const auto found = revisions_.find(address);
  return found == revisions_.end() ? 0 : found->second;
}

void Inventory::enter(const Device& device) {
  if (device.iommu_group) groups_[*device.iommu_group].insert(device.address);
  if (!device.sysfs_path.empty()) paths_.emplace(device.sysfs_path, device.address);
}

void Inventory::leave(const Device& device) {
  paths_.erase(device.sysfs_path);
  if (!device.iommu_group) return;
  const auto group = groups_.find(*device.iommu_group);
  if (group == groups_.end()) return;
  group->second.erase(device.address);
  if (group->second.empty()) groups_.erase(group);
}

const Device* Inventory::find(const PciAddress& address) const {
  const auto found = devices_.find(address);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<Device> Inventory::group_members(unsigned group) const {
  std::vector<Device> members;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return members;
  for (const auto& address : found->second) members.push_back(devices_.at(address));
  return members;
}

std::vector<const Device*> Inventory::made_by(const Device& function) const {
  std::vector<const Device*> made;
  if (is_pci_bridge(function) || function.sysfs_path.empty()) return made;
  const auto above = function.sysfs_path + "/";
  for (auto at = paths_.lower_bound(above); at != paths_.end() && at->first.starts_with(above); ++at)
    made.push_back(&devices_.at(at->second));
  return made;
}

}  // namespace devbindd::sysfs
