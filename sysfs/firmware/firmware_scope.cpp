// SPDX-License-Identifier: Apache-2.0
// Which PCI functions an entry of a table means.
#include <algorithm>
#include <array>
#include <cstdio>

#include "sysfs/firmware/firmware_structure.hpp"

namespace devbindd::sysfs {
namespace {

bool is_step(const PciAddress& address, const PathHop& hop) {
  return address.slot == hop.device && address.function == hop.function;
}

// The path begins on a bus that the firmware has given a number, which need not be the first bus of the host bridge.
bool path_leads_to(const FirmwareScope& scope, const DevicePlace& place) {
  if (!scope.first || scope.path.empty()) return false;
  for (std::size_t begin = 0; begin + scope.path.size() <= place.size(); ++begin) {
    const auto& from = place[begin];
    if (from.domain != scope.first->domain || from.bus != scope.first->bus) continue;
    const auto steps = place.begin() + static_cast<std::ptrdiff_t>(begin);
    if (!std::equal(scope.path.begin(), scope.path.end(), steps,
                    [](const PathHop& hop, const PciAddress& address) { return is_step(address, hop); }))
      continue;
    return scope.kind == ScopeKind::Bridge || begin + scope.path.size() == place.size();
  }
  return false;
}

bool in_range(const FirmwareScope& scope, const PciAddress& address) {
  if (!scope.first || !scope.last) return false;
  return scope.first->domain <= address.domain && address.domain <= scope.last->domain &&
         id_of(*scope.first) <= id_of(address) && id_of(address) <= id_of(*scope.last);
}

}  // namespace

std::string_view name_of(ScopeKind kind) {
  switch (kind) {
    case ScopeKind::All: return "all";
    case ScopeKind::Endpoint: return "endpoint";
    case ScopeKind::Bridge: return "bridge";
    case ScopeKind::Range: return "range";
    case ScopeKind::IoApic: return "ioapic";
    case ScopeKind::Hpet: return "hpet";
    case ScopeKind::NamespaceDevice: return "namespace_device";
    case ScopeKind::Node: return "node";
    case ScopeKind::MemoryDevice: return "memory_device";
    case ScopeKind::Unknown: break;
  }
  return "unknown";
}

bool covers(const FirmwareScope& scope, const DevicePlace& place) {
  if (place.empty()) return false;
  switch (scope.kind) {
    case ScopeKind::All: return !scope.segment || place.back().domain == *scope.segment;
    case ScopeKind::Range: return in_range(scope, place.back());
    case ScopeKind::Endpoint:
    case ScopeKind::Bridge: return scope.path.empty() ? in_range(scope, place.back()) : path_leads_to(scope, place);
    default: return false;
  }
}

bool covers(const std::vector<FirmwareScope>& scopes, const DevicePlace& place) {
  return std::ranges::any_of(scopes, [&place](const FirmwareScope& scope) { return covers(scope, place); });
}

std::vector<PciAddress> devices_of(const FirmwareScope& scope, const std::vector<DevicePlace>& places) {
  std::vector<PciAddress> devices;
  for (const auto& place : places) {
    if (covers(scope, place)) devices.push_back(place.back());
  }
  return devices;
}

std::vector<PciAddress> devices_of(const std::vector<FirmwareScope>& scopes, const std::vector<DevicePlace>& places) {
  std::vector<PciAddress> devices;
  for (const auto& place : places) {
    if (covers(scopes, place)) devices.push_back(place.back());
  }
  return devices;
}

std::string path_text(const FirmwareScope& scope) {
  if (!scope.first) return "";
  auto text = to_string(*scope.first);
  for (std::size_t at = 1; at < scope.path.size(); ++at) {
    std::array<char, 16> step{};
    std::snprintf(step.data(), step.size(), "/%02x.%x", scope.path[at].device, scope.path[at].function);
    text += step.data();
  }
  return text;
}

}  // namespace devbindd::sysfs
