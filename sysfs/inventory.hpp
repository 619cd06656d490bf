// The snapshot of all PCI devices that reads are answered from, kept current by uevents: what an event names is read
// again before the next answer, everything is read again when events were lost.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "sysfs/device.hpp"
#include "sysfs/uevent.hpp"

namespace devbindd::sysfs {

class Inventory {
 public:
  explicit Inventory(const Tree& tree) : tree_(tree) {}

  /// Notes what a drain of the uevent socket says.
  void apply(const UeventBatch& batch);
  /// The device is read again before the next answer. Needed while devbindd itself works on it: the driver link of
  /// a device goes away long before the unbind event when the unbind hangs.
  void mark(const PciAddress& address);
  /// Everything is read again before the next answer (no uevents to be had, or events lost).
  void mark_all();

  /// Reads what is marked. A device that is gone leaves the snapshot. Error: Kernel, when the list of devices
  /// itself cannot be read; the marks then stay.
  Result<> refresh();

  /// Reads again how often each VFIO-bound device is enabled, which no uevent tells. Error: as refresh().
  Result<> refresh_enable_counts();

  const std::map<PciAddress, Device>& devices() const { return devices_; }
  /// nullptr when there is none.
  const Device* find(const PciAddress& address) const;
  /// The devices of one group, ascending.
  std::vector<Device> group_members(unsigned group) const;
  /// Counts refreshes that changed something: for ETags.
  std::uint64_t generation() const { return generation_; }

 private:
  Result<> read_all();
  Result<> read_one(const PciAddress& address);
  void put(const PciAddress& address, Device device);
  void leave_group(const PciAddress& address, const Device& device);

  const Tree& tree_;
  std::map<PciAddress, Device> devices_;
  std::map<unsigned, std::set<PciAddress>> groups_;  ///< of `devices_`: their IOMMU groups
  std::set<PciAddress> marked_;
  bool all_marked_ = true;
  std::uint64_t generation_ = 0;
};

}  // namespace devbindd::sysfs
