// SPDX-License-Identifier: Apache-2.0
// Something that has changed on this host, as it is told to those who follow: a device, what uses it, an operation, a
// claim, a cordon. A value. Not here: who follows (api/context/event_feed.hpp), what an event looks like as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "handoff/model/claim.hpp"
#include "handoff/model/operation.hpp"
#include "sysfs/device/inventory.hpp"

namespace devbindd::handoff {

enum class EventKind {
  DeviceAdded,
  DeviceRemoved,
  DeviceChanged,  ///< `changes` says what
  DeviceDrifted,  ///< somebody else has moved a device that devbindd had bound
  UsageChanged,   ///< what may use devices: links, addresses, routes, mounts
  OperationChanged,
  ClaimChanged,
  CordonChanged,
  Missed,  ///< changes that nobody can name any more: whoever follows reads everything again
};
std::string_view name_of(EventKind kind);
/// All names, in order.
const std::vector<std::string_view>& event_kind_names();

/// A fact as an answer shows it; monostate is null.
using FactValue = std::variant<std::monostate, std::string, std::uint64_t, std::vector<std::string>>;

struct FactChange {
  std::string fact = {};  ///< the member of the device's document: "driver"
  FactValue from = {};
  FactValue to = {};

  bool operator==(const FactChange&) const = default;
};

struct HostEvent {
  EventKind kind = EventKind::DeviceChanged;
  TimePoint at = std::chrono::system_clock::now();
  std::vector<sysfs::PciAddress> devices = {};
  std::vector<unsigned> iommu_groups = {};
  std::vector<FactChange> changes = {};
  std::string operation = {};  ///< its id; of a change of a device: "" where nobody here has made it
  std::string claim = {};      ///< its id
  std::string state = {};      ///< of the operation or the claim; "set" or "cleared" of a cordon
  std::optional<std::size_t> steps_done = {};
  std::optional<std::size_t> steps = {};
  std::vector<std::string> sources = {};  ///< of a change of usage: "links", "routes", "mounts"
};

/// What the change of a device is; `operation` has made it, or "". None where nothing that is told has changed, two
/// where another device sits at the address than before.
std::vector<HostEvent> events_of(const sysfs::DeviceChange& change, const std::string& operation);
/// How the operation stands now.
HostEvent event_of(const Operation& operation);
/// How the claim stands now.
HostEvent event_of(const Claim& claim);

/// The steps of the operation that are over, whatever came of them.
std::size_t steps_done(const Operation& operation);

}  // namespace devbindd::handoff
