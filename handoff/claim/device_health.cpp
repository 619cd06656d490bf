// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/device_health.hpp"

#include <algorithm>

namespace devbindd::handoff {
namespace {

constexpr std::size_t bars_at = 0x10;
constexpr std::size_t bars_end = 0x28;  // of a header of type 0; claims have no bridges

bool shows_vendor(const sysfs::ConfigSpace& config, std::uint16_t vendor) {
  if (config.bytes.size() < 2) return false;
  const auto low = std::to_integer<unsigned>(config.bytes[0]);
  return (low | std::to_integer<unsigned>(config.bytes[1]) << 8U) == vendor;
}

// The lowest bits are flags of each BAR, which a reset leaves.
bool has_base_addresses(const sysfs::ConfigSpace& config) {
  for (auto at = bars_at; at < std::min(bars_end, config.bytes.size()); ++at) {
    const auto flags = at % 4 == 0 ? std::byte{0x0f} : std::byte{0};
    if ((config.bytes[at] & ~flags) != std::byte{0}) return true;
  }
  return false;
}

bool should_have_base_addresses(const std::vector<sysfs::Resource>& resources) {
  return std::ranges::any_of(resources, [](const sysfs::Resource& resource) {
    return resource.kind == sysfs::ResourceKind::Bar && resource.start != 0 && !resource.unassigned;
  });
}

std::string anew(const std::string& name) {
  return "; it has to be removed and found anew (1 to /sys/bus/pci/devices/" + name +
         "/remove, then to /sys/bus/pci/rescan)";
}

}  // namespace

std::string fault_of(const ClaimedDevice& claimed, const sysfs::Device& device, const sysfs::ConfigSpace& config,
                     const std::vector<sysfs::Resource>& resources) {
  const auto name = sysfs::to_string(claimed.address);
  const bool function = device.physfn.has_value();
  if (claimed.error_recovery == ErrorRecovery::Failed)
    return "the kernel could not recover " + name + " from an error" + anew(name);
  if (sysfs::does_not_answer(config) || (!function && !shows_vendor(config, claimed.vendor)))
    return name + " does not answer: its configuration space does not show its vendor";
  const bool after_error = claimed.error_recovery.has_value() && !function;
  if (after_error && should_have_base_addresses(resources) && !has_base_addresses(config))
    return name + " has lost its base addresses when the kernel recovered it from an error" + anew(name);
  return {};
}

}  // namespace devbindd::handoff
