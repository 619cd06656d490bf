// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/host_event.hpp"

#include <algorithm>
#include <utility>

namespace devbindd::handoff {
namespace {

FactValue fact(const std::optional<std::string>& value) { return value ? FactValue(*value) : FactValue(); }
FactValue fact(const std::optional<unsigned>& value) { return value ? FactValue(std::uint64_t{*value}) : FactValue(); }
FactValue fact(const std::optional<sysfs::DriverName>& name) { return name ? FactValue(name->text()) : FactValue(); }
FactValue fact(const std::vector<std::string>& list) { return list; }
FactValue fact(const std::vector<sysfs::PciAddress>& addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(sysfs::to_string(address));
  return texts;
}

std::vector<FactChange> changes_between(const sysfs::Device& before, const sysfs::Device& after) {
  std::vector<FactChange> changes;
  const auto compare = [&](const char* name, const auto& member) {
    if (before.*member != after.*member) changes.push_back({name, fact(before.*member), fact(after.*member)});
  };
  compare("driver", &sysfs::Device::driver);
  compare("module", &sysfs::Device::module);
  compare("iommu_group", &sysfs::Device::iommu_group);
  compare("numa_node", &sysfs::Device::numa_node);
  compare("interfaces", &sysfs::Device::interfaces);
  compare("sriov_totalvfs", &sysfs::Device::sriov_totalvfs);
  compare("virtfns", &sysfs::Device::virtfns);
  compare("vfio_device", &sysfs::Device::vfio_device);
  return changes;
}

void add_group(const std::optional<sysfs::Device>& device, std::vector<unsigned>& groups) {
  if (device && device->iommu_group && std::ranges::find(groups, *device->iommu_group) == groups.end())
    groups.push_back(*device->iommu_group);
}

constexpr std::pair<EventKind, std::string_view> kinds[] = {{EventKind::DeviceAdded, "device.added"},
                                                            {EventKind::DeviceRemoved, "device.removed"},
                                                            {EventKind::DeviceChanged, "device.changed"},
                                                            {EventKind::DeviceDrifted, "device.drifted"},
                                                            {EventKind::UsageChanged, "usage.changed"},
                                                            {EventKind::OperationChanged, "operation.changed"},
                                                            {EventKind::ClaimChanged, "claim.changed"},
                                                            {EventKind::CordonChanged, "cordon.changed"},
                                                            {EventKind::Missed, "resync"}};

}  // namespace

std::string_view name_of(EventKind kind) {
  const auto* const found = std::ranges::find(kinds, kind, &std::pair<EventKind, std::string_view>::first);
  return found->second;
}

const std::vector<std::string_view>& event_kind_names() {
  static const auto names = [] {
    std::vector<std::string_view> list;
    for (const auto& [kind, name] : kinds) list.push_back(name);
    return list;
  }();
  return names;
}

std::vector<HostEvent> events_of(const sysfs::DeviceChange& change, const std::string& operation) {
  const auto& [address, before, after] = change;
  const auto made = [&](EventKind kind, const std::optional<sysfs::Device>& device) {
    HostEvent event{.kind = kind, .devices = {address}, .operation = operation};
    add_group(device, event.iommu_groups);
    return event;
  };
  if (!before && !after) return {};
  if (!before) return {made(EventKind::DeviceAdded, after)};
  if (!after) return {made(EventKind::DeviceRemoved, before)};
  if (before->inode != after->inode)
    return {made(EventKind::DeviceRemoved, before), made(EventKind::DeviceAdded, after)};
  auto event = made(EventKind::DeviceChanged, before);
  add_group(after, event.iommu_groups);
  event.changes = changes_between(*before, *after);
  if (event.changes.empty()) return {};
  return {std::move(event)};
}

std::size_t steps_done(const Operation& operation) {
  return static_cast<std::size_t>(std::ranges::count_if(operation.steps, [](const StepRecord& step) {
    return step.state != StepState::Pending && step.state != StepState::Running && step.state != StepState::Blocked;
  }));
}

HostEvent event_of(const Operation& operation) {
  HostEvent event{.kind = EventKind::OperationChanged,
                  .operation = operation.id,
                  .claim = operation.request.claim,
                  .state = std::string(name_of(operation.state)),
                  .steps_done = steps_done(operation),
                  .steps = operation.steps.size()};
  for (const auto& transition : operation.transitions) event.devices.push_back(transition.address);
  return event;
}

HostEvent event_of(const Claim& claim) {
  HostEvent event{.kind = EventKind::ClaimChanged,
                  .operation = claim.operation,
                  .claim = claim.id,
                  .state = std::string(name_of(claim.state))};
  for (const auto& device : claim.devices) event.devices.push_back(device.address);
  return event;
}

}  // namespace devbindd::handoff
