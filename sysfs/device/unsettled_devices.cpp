// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/unsettled_devices.hpp"

#include <algorithm>

namespace devbindd::sysfs {

void UnsettledDevices::note(const Uevent& event, const PciAddress& address) {
  using Clock = std::chrono::steady_clock;
  const bool of_itself = event.subsystem == "pci";
  if (of_itself && event.action == "remove") until_[address] = Clock::time_point::max();
  if (of_itself && event.action == "add") until_.erase(address);
  if (!of_itself && (event.action == "remove" || event.subsystem == "net")) {
    auto& until = until_[address];
    until = std::max(until, Clock::now() + time_to_settle);
  }
}

std::vector<PciAddress> UnsettledDevices::to_read() {
  std::vector<PciAddress> addresses;
  for (const auto& [address, until] : until_) addresses.push_back(address);
  std::erase_if(until_, [now = std::chrono::steady_clock::now()](const auto& entry) { return entry.second < now; });
  return addresses;
}

}  // namespace devbindd::sysfs
