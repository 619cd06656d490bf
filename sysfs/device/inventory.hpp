// SPDX-License-Identifier: Apache-2.0
// The snapshot of all PCI devices that reads are answered from, kept current by what the kernel tells: what it names is
// read again before the next answer, everything is read again when some of it was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sysfs/device/device.hpp"
#include "sysfs/device/device_changes.hpp"
#include "sysfs/device/device_index.hpp"
#include "sysfs/device/unsettled_devices.hpp"
#include "sysfs/kernel/uevent.hpp"

namespace devbindd::sysfs {

class Inventory {
 public:
  /// Begins to watch, before the device is read, what processes write to its files, or ends it. False where that cannot
  /// be: such a device is read again for each answer.
  using WatchFiles = std::function<bool(const PciAddress& address, bool begin)>;

  explicit Inventory(const Tree& tree, WatchFiles watch_files = {})
      : tree_(tree), watch_files_(std::move(watch_files)) {}

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
  /// Counts what changed: two answers of one generation say the same of devices.
  std::uint64_t generation() const { return generation_; }
  /// The generation in which the device became what it is; 0: it is not there.
  std::uint64_t revision_of(const PciAddress& address) const;
  /// Counts drivers and modules that came or went.
  std::uint64_t driver_generation() const { return driver_generation_; }
  /// Counts how often everything was read.
  std::uint64_t scans() const { return scans_; }
  /// What refreshes have changed since they were taken the last time. The first reading of all changes nothing.
  DeviceChanges& changes() { return changes_; }

 private:
  Result<> read_all();
  Result<> read_one(const PciAddress& address);
  void put(const PciAddress& address, Device device);
  void drop(const PciAddress& address);
  void replace_all(std::map<PciAddress, Device> fresh);
  void watch(const PciAddress& address);
  void look_again();
  bool is_another_one(const Device& device) const;

  const Tree& tree_;
  WatchFiles watch_files_;
  std::map<PciAddress, Device> devices_;
  std::map<PciAddress, std::uint64_t> revisions_;
  DeviceIndex index_;  ///< of `devices_`
  DeviceChanges changes_;
  std::set<PciAddress> watched_;
  std::set<PciAddress> unwatched_;  ///< read again for each answer
  UnsettledDevices unsettled_;      ///< read again for each answer
  std::set<std::string> going_;     ///< modules and drivers whose removal was told, by their directories
  std::set<PciAddress> marked_;
  bool all_marked_ = true;
  bool read_once_ = false;
  std::uint64_t generation_ = 0;
  std::uint64_t driver_generation_ = 0;
  std::uint64_t scans_ = 0;
};

}  // namespace devbindd::sysfs
