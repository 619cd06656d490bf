// SPDX-License-Identifier: Apache-2.0
// The snapshot of all PCI devices that reads are answered from, kept current by uevents: what an event names is read
// again before the next answer, everything is read again when events were lost.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sysfs/device/device.hpp"
#include "sysfs/kernel/uevent.hpp"

namespace devbindd::sysfs {

class Inventory {
 public:
  explicit Inventory(const Tree& tree) : tree_(tree) {}

  /// Notes what a drain of the uevent socket says.
  void apply(const UeventBatch& batch);
  /// The device is read again before the next answer.
  void mark(const PciAddress& address);
  /// The same where its driver is another one than in the snapshot. Needed while devbindd itself works on it: the
  /// driver link of a device goes away long before the unbind event when the unbind hangs. One link is read, and not
  /// the device: many may be worked on, and everybody who asks for anything comes by here.
  void mark_if_moved(const PciAddress& address);
  /// Everything is read again before the next answer (no uevents to be had, or events lost).
  void mark_all();

  /// Reads what is marked. A device that is gone leaves the snapshot. Error: Kernel, when the list of devices
  /// itself cannot be read; the marks then stay.
  Result<> refresh();

  const std::map<PciAddress, Device>& devices() const { return devices_; }
  /// nullptr when there is none.
  const Device* find(const PciAddress& address) const;
  /// The devices of one group, ascending.
  std::vector<Device> group_members(unsigned group) const;
  /// What lies below a function that is not a bridge: its driver has made it, and it goes with the driver (Intel VMD).
  std::vector<const Device*> made_by(const Device& function) const;
  /// Counts refreshes that changed something: for ETags.
  std::uint64_t generation() const { return generation_; }

 private:
  Result<> read_all();
  Result<> read_one(const PciAddress& address);
  void put(const PciAddress& address, Device device);
  void enter(const Device& device);
  void leave(const Device& device);

  const Tree& tree_;
  std::map<PciAddress, Device> devices_;
  // Of `devices_`, so that nothing that is asked for one device looks at all of them:
  std::map<unsigned, std::set<PciAddress>> groups_;  ///< by IOMMU group
  std::map<std::string, PciAddress> paths_;          ///< by sysfs_path
  std::set<PciAddress> marked_;
  bool all_marked_ = true;
  std::uint64_t generation_ = 0;
};

}  // namespace devbindd::sysfs
