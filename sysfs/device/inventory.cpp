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
    if (!addresses.empty()) unsettled_.note(event, addresses.back());
    if (event.subsystem == "module" || event.subsystem == "drivers") {
      ++driver_generation_;
      if (event.action == "remove") going_.insert("sys" + event.devpath);
    }
  }
  for (const auto& written : batch.written) mark(written.device);
}

// What has not done yet what was told of it.
void Inventory::look_again() {
  for (const auto& address : unsettled_.to_read()) marked_.insert(address);
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
    index_.enter(device);
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
    index_.leave(known->second);
    change.before = std::move(known->second);
  }
  index_.enter(device);
  change.after = device;
  devices_.insert_or_assign(address, std::move(device));
  revisions_[address] = ++generation_;
  changes_.add(std::move(change));
}

void Inventory::drop(const PciAddress& address) {
  unwatched_.erase(address);
  unsettled_.forget(address);
  if (watched_.erase(address) > 0) watch_files_(address, false);
  auto known = devices_.extract(address);
  if (known.empty()) return;
  index_.leave(known.mapped());
  revisions_.erase(address);
  ++generation_;
  changes_.add({.address = address, .before = std::move(known.mapped()), .after = std::nullopt});
}

std::uint64_t Inventory::revision_of(const PciAddress& address) const {
  const auto found = revisions_.find(address);
  return found == revisions_.end() ? 0 : found->second;
}

const Device* Inventory::find(const PciAddress& address) const {
  const auto found = devices_.find(address);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<Device> Inventory::group_members(unsigned group) const {
  std::vector<Device> members;
  for (const auto& address : index_.group_members(group)) members.push_back(devices_.at(address));
  return members;
}

std::vector<const Device*> Inventory::made_by(const Device& function) const {
  std::vector<const Device*> made;
  if (is_pci_bridge(function) || function.sysfs_path.empty()) return made;
  for (const auto& address : index_.below(function.sysfs_path)) made.push_back(&devices_.at(address));
  return made;
}

}  // namespace devbindd::sysfs
