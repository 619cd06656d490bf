// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/device_view.hpp"

namespace devbindd::handoff {

// A VF that a running operation destroys may come back by its undo.
void DeviceView::take(const sysfs::UeventBatch& batch) {
  services_.inventory.apply(batch);
  std::vector<sysfs::PciAddress> gone;
  for (const auto& event : batch.events) {
    if (event.action != "remove" || event.subsystem != "pci") continue;
    const auto addresses = sysfs::addresses_in(event.devpath);
    if (addresses.empty() || operations_.remakes(addresses.back())) continue;
    gone.push_back(addresses.back());
    cordons_.forget(gone.back(), [&services = services_](const auto& stored) { warn_of(services, stored); });
  }
  originals_.forget(gone);
}

sysfs::Result<const sysfs::Inventory*> DeviceView::current() {
  take_waiting();
  for (const auto& [id, operation] : operations_.running()) {
    for (const auto& transition : operation->transitions) services_.inventory.mark_if_moved(transition.address);
  }
  auto done = services_.inventory.refresh();
  if (!done) return std::unexpected(done.error());
  return &services_.inventory;
}

sysfs::Result<sysfs::Device> DeviceView::find(const sysfs::PciAddress& address) {
  auto inventory = current();
  if (!inventory) return std::unexpected(inventory.error());
  if (const auto* known = (*inventory)->find(address)) {
    auto device = *known;
    device.enable_count = sysfs::enable_count_of(services_.tree, device);
    return device;
  }
  return sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address));
}

}  // namespace devbindd::handoff
