#include "sysfs/inventory.hpp"

namespace devbindd::sysfs {

void Inventory::apply(const UeventBatch& batch) {
  if (batch.lost) mark_all();
  for (const auto& event : batch.events) {
    // A PF changes when its VFs come and go, a bridge's path stands in every path below it: all are read again.
    for (const auto& address : addresses_in(event.devpath)) mark(address);
    if (event.subsystem == "module" || event.subsystem == "drivers") mark_all();
  }
}

void Inventory::mark(const PciAddress& address) { marked_.insert(address); }

void Inventory::mark_all() { all_marked_ = true; }

Result<> Inventory::refresh() {
  if (all_marked_) {
    auto done = read_all();
    if (!done) return done;
    all_marked_ = false;
    marked_.clear();
    return {};
  }
  const auto marked = std::exchange(marked_, {});
  for (const auto& address : marked) {
    auto done = read_one(address);
    if (!done) {
      marked_ = marked;
      return done;
    }
  }
  return {};
}

Result<> Inventory::read_all() {
  auto addresses = list_devices(tree_);
  if (!addresses) return std::unexpected(addresses.error());
  std::map<PciAddress, Device> fresh;
  for (const auto& address : *addresses) {
    auto device = read_device(tree_, address);
    if (!device && device.error().code == ErrorCode::DeviceNotFound) continue;  // unplugged since it was listed
    if (!device) return std::unexpected(device.error());
    fresh.emplace(address, std::move(*device));
  }
  if (fresh != devices_) ++generation_;
  devices_ = std::move(fresh);
  return {};
}

Result<> Inventory::read_one(const PciAddress& address) {
  auto device = read_device(tree_, address);
  if (!device) {
    if (device.error().code != ErrorCode::DeviceNotFound) return std::unexpected(device.error());
    const auto known = devices_.extract(address);
    if (known.empty()) return {};
    ++generation_;
    // Kernels tell nothing about a PF whose VFs go.
    if (const auto& physfn = known.mapped().physfn; physfn && *physfn != address) return read_one(*physfn);
    return {};
  }
  auto& known = devices_[address];
  if (known == *device) return {};
  known = std::move(*device);
  ++generation_;
  return {};
}

const Device* Inventory::find(const PciAddress& address) const {
  const auto found = devices_.find(address);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<Device> Inventory::group_members(unsigned group) const {
  std::vector<Device> members;
  for (const auto& [address, device] : devices_) {
    if (device.iommu_group == group) members.push_back(device);
  }
  return members;
}

}  // namespace devbindd::sysfs
