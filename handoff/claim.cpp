#include "handoff/claim.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace devbindd::handoff {
namespace {

constexpr std::array states{ClaimState::Preparing,   ClaimState::Active, ClaimState::Releasing,
                            ClaimState::Quarantined, ClaimState::Lost,   ClaimState::Released};

std::string class_text(const sysfs::Device& device) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%06x", device.class_code & 0xffffffU);
  return text.data();
}

template <class T>
bool fits(const std::optional<T>& wanted, const std::optional<T>& value) {
  return !wanted || wanted == value;
}

}  // namespace

bool matches(const Selector& selector, const sysfs::Device& device) {
  const auto driver = device.driver ? device.driver->text() : std::string("none");
  return fits(selector.vendor, std::optional(device.vendor)) && fits(selector.device, std::optional(device.device)) &&
         class_text(device).starts_with(selector.class_prefix) &&
         (selector.category.empty() || selector.category == sysfs::category(device)) &&
         (selector.driver.empty() || selector.driver == driver) && fits(selector.numa_node, device.numa_node) &&
         fits(selector.physfn, device.physfn);
}

std::string_view name_of(ClaimState state) {
  switch (state) {
    case ClaimState::Preparing: return "preparing";
    case ClaimState::Active: return "active";
    case ClaimState::Releasing: return "releasing";
    case ClaimState::Quarantined: return "quarantined";
    case ClaimState::Lost: return "lost";
    case ClaimState::Released: return "released";
  }
  return "unknown";
}

std::optional<ClaimState> claim_state_named(std::string_view name) {
  const auto found = std::ranges::find_if(states, [name](ClaimState state) { return name_of(state) == name; });
  return found == states.end() ? std::nullopt : std::optional(*found);
}

bool holds_devices(const Claim& claim) {
  return claim.state != ClaimState::Lost && claim.state != ClaimState::Released;
}

bool holds(const Claim& claim, const sysfs::Device& device) {
  return std::ranges::any_of(claim.devices, [&device](const ClaimedDevice& claimed) {
    return claimed.address == device.address || (claimed.iommu_group && claimed.iommu_group == device.iommu_group);
  });
}

}  // namespace devbindd::handoff
