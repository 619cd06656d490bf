// SPDX-License-Identifier: Apache-2.0
// The devices of which an event has come before what it tells of. The kernel tells of a removal before it removes, and
// of an interface before it has moved it: what is read right after the event may be how it was.
// Source: drivers/base/core.c, device_del(); net/core/dev.c, dev_change_net_namespace().
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/uevent.hpp"

namespace devbindd::sysfs {

class UnsettledDevices {
 public:
  /// Takes in an event of the device, or of something below it.
  void note(const Uevent& event, const PciAddress& address);
  /// The device is gone.
  void forget(const PciAddress& address) { until_.erase(address); }
  /// Those that are to be read again now. Who has had his time is settled with this reading; one that is removed waits
  /// until it is gone.
  std::vector<PciAddress> to_read();

  /// In which the kernel has done what an event about a part of a device announces.
  static constexpr std::chrono::seconds time_to_settle{2};

 private:
  std::map<PciAddress, std::chrono::steady_clock::time_point> until_;
};

}  // namespace devbindd::sysfs
