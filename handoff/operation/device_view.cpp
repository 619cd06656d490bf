// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/device_view.hpp"

#include "sysfs/use/block_devices.hpp"
#include "sysfs/use/network_stack.hpp"

namespace devbindd::handoff {

// A VF that a running operation destroys may come back by its undo.
void DeviceView::take(const sysfs::UeventBatch& batch) {
  services_.inventory.apply(batch);
  if (batch.nodes || batch.lost) ++node_generation_;
  note_settling(batch.network.changed || batch.lost);
  if (batch.network.changed) note_network(batch.network);
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
  tell_of_devices();
  return &services_.inventory;
}

// The kernel tells that a link goes down before it takes its IPv4 routes away, and of these it tells nothing: for a
// while after any news the routes may be others by now. Source: net/core/dev.c, __dev_notify_flags();
// net/ipv4/fib_frontend.c, fib_disable_ip().
void DeviceView::note_settling(bool news) {
  const auto now = std::chrono::steady_clock::now();
  if (news) network_settled_ = now + sysfs::UnsettledDevices::time_to_settle;
  if (now < network_settled_) ++network_generation_;
}

// A router's table may change a thousand times a second: that is told a few times a second.
void DeviceView::note_network(const sysfs::NetworkNews& news) {
  if (!services_.tell || !services_.after) return;
  network_news_.interfaces.insert(news.interfaces.begin(), news.interfaces.end());
  network_news_.lost = network_news_.lost || news.lost;
  if (std::exchange(network_to_tell_, true)) return;
  services_.after(std::chrono::milliseconds(100), [this] { tell_of_network(); });
}

void DeviceView::tell_of_network() {
  network_to_tell_ = false;
  const auto news = std::exchange(network_news_, {});
  std::set<sysfs::PciAddress> devices;
  for (const auto& name : sysfs::names_of(news.interfaces)) devices.merge(sysfs::devices_below(services_.tree, name));
  if (devices.empty() && !news.lost) return;  // loopback, tunnels: no device of this host
  tell_of(services_,
          {.kind = EventKind::UsageChanged, .devices = {devices.begin(), devices.end()}, .sources = {"network"}});
}

void DeviceView::tell_of_disks(const std::set<sysfs::DeviceNumber>& numbers) const {
  std::set<sysfs::PciAddress> devices;
  for (const auto number : numbers) devices.merge(sysfs::functions_below(services_.tree, number));
  if (devices.empty()) return;
  tell_of(services_,
          {.kind = EventKind::UsageChanged, .devices = {devices.begin(), devices.end()}, .sources = {"mounts"}});
}

void DeviceView::tell_of_devices() {
  bool lost = false;
  const auto changes = services_.inventory.changes().take(lost);
  if (lost) tell_of(services_, {.kind = EventKind::Missed});
  for (const auto& change : changes) {
    for (const auto& event : events_of(change, operations_.id_on(change.address))) tell_of(services_, event);
    tell_of_drift(change);
  }
}

void DeviceView::tell_of_drift(const sysfs::DeviceChange& change) {
  if (!change.before || !change.after || change.before->driver == change.after->driver) return;
  const auto left_with = originals_.left_with(*change.after);
  if (!left_with || !is_drifted(*change.after, *left_with, operations_)) return;
  const auto value = [](const std::optional<std::string>& name) { return name ? FactValue(*name) : FactValue(); };
  const auto now = change.after->driver ? std::optional(change.after->driver->text()) : std::nullopt;
  HostEvent event{.kind = EventKind::DeviceDrifted,
                  .devices = {change.address},
                  .changes = {{.fact = "driver", .from = value(*left_with), .to = value(now)}}};
  if (change.after->iommu_group) event.iommu_groups.push_back(*change.after->iommu_group);
  tell_of(services_, event);
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
