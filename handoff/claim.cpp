#include "handoff/claim.hpp"

#include <algorithm>
#include <array>

namespace devbindd::handoff {
namespace {

constexpr std::array states{ClaimState::Preparing,   ClaimState::Active, ClaimState::Releasing,
                            ClaimState::Quarantined, ClaimState::Lost,   ClaimState::Released};
constexpr std::array recoveries{ErrorRecovery::Begun, ErrorRecovery::Succeeded, ErrorRecovery::Failed};
constexpr std::array resets{ReleaseReset::Auto, ReleaseReset::Required, ReleaseReset::None};
constexpr std::array outcomes{ResetOutcome::Done, ResetOutcome::Unavailable, ResetOutcome::Failed};

template <class Values>
auto named(const Values& values, std::string_view name) {
  const auto found = std::ranges::find_if(values, [name](auto value) { return name_of(value) == name; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

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

std::optional<ClaimState> claim_state_named(std::string_view name) { return named(states, name); }

std::string_view name_of(ErrorRecovery recovery) {
  switch (recovery) {
    case ErrorRecovery::Begun: return "begun";
    case ErrorRecovery::Succeeded: return "succeeded";
    case ErrorRecovery::Failed: return "failed";
  }
  return "unknown";
}

std::optional<ErrorRecovery> error_recovery_named(std::string_view name) { return named(recoveries, name); }

std::string_view name_of(ReleaseReset reset) {
  switch (reset) {
    case ReleaseReset::Auto: return "auto";
    case ReleaseReset::Required: return "required";
    case ReleaseReset::None: return "none";
  }
  return "unknown";
}

std::optional<ReleaseReset> release_reset_named(std::string_view name) { return named(resets, name); }

std::string_view name_of(ResetOutcome outcome) {
  switch (outcome) {
    case ResetOutcome::Done: return "done";
    case ResetOutcome::Unavailable: return "unavailable";
    case ResetOutcome::Failed: return "failed";
  }
  return "unknown";
}

std::optional<ResetOutcome> reset_outcome_named(std::string_view name) { return named(outcomes, name); }

bool holds_devices(const Claim& claim) {
  return claim.state != ClaimState::Lost && claim.state != ClaimState::Released;
}

bool holds(const Claim& claim, const sysfs::Device& device) {
  return std::ranges::any_of(claim.devices, [&device](const ClaimedDevice& claimed) {
    return claimed.address == device.address || (claimed.iommu_group && claimed.iommu_group == device.iommu_group);
  });
}

}  // namespace devbindd::handoff
