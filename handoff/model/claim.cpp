// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/claim.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace devbindd::handoff {
namespace {

using namespace std::string_view_literals;

constexpr std::array states{
    std::pair{ClaimState::Preparing, "preparing"sv}, std::pair{ClaimState::Active, "active"sv},
    std::pair{ClaimState::Releasing, "releasing"sv}, std::pair{ClaimState::Quarantined, "quarantined"sv},
    std::pair{ClaimState::Lost, "lost"sv},           std::pair{ClaimState::Released, "released"sv}};
// What may come after what.
constexpr std::array following_states{std::pair{ClaimState::Preparing, ClaimState::Active},
                                      std::pair{ClaimState::Preparing, ClaimState::Releasing},
                                      std::pair{ClaimState::Preparing, ClaimState::Quarantined},
                                      std::pair{ClaimState::Preparing, ClaimState::Lost},
                                      std::pair{ClaimState::Preparing, ClaimState::Released},
                                      std::pair{ClaimState::Active, ClaimState::Releasing},
                                      std::pair{ClaimState::Active, ClaimState::Lost},
                                      std::pair{ClaimState::Releasing, ClaimState::Quarantined},
                                      std::pair{ClaimState::Releasing, ClaimState::Lost},
                                      std::pair{ClaimState::Releasing, ClaimState::Released},
                                      std::pair{ClaimState::Quarantined, ClaimState::Lost},
                                      std::pair{ClaimState::Quarantined, ClaimState::Released}};
constexpr std::array recoveries{std::pair{ErrorRecovery::Begun, "begun"sv},
                                std::pair{ErrorRecovery::Succeeded, "succeeded"sv},
                                std::pair{ErrorRecovery::Failed, "failed"sv}};
constexpr std::array resets{std::pair{ReleaseReset::Auto, "auto"sv}, std::pair{ReleaseReset::Required, "required"sv},
                            std::pair{ReleaseReset::None, "none"sv}};
constexpr std::array outcomes{std::pair{ResetOutcome::Done, "done"sv},
                              std::pair{ResetOutcome::Unavailable, "unavailable"sv},
                              std::pair{ResetOutcome::Failed, "failed"sv}};

template <class Names, class Value>
std::string_view name_in(const Names& names, Value value) {
  const auto found = std::ranges::find(names, value, [](const auto& entry) { return entry.first; });
  return found == names.end() ? "unknown"sv : found->second;
}

template <class Names>
auto named(const Names& names, std::string_view name) {
  const auto found = std::ranges::find(names, name, [](const auto& entry) { return entry.second; });
  return found == names.end() ? std::nullopt : std::optional(found->first);
}

// Since the boot, and going on while the host sleeps.
std::chrono::milliseconds uptime() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::milliseconds(time.tv_nsec / 1'000'000);
}

}  // namespace

std::string_view name_of(ClaimState state) { return name_in(states, state); }
std::optional<ClaimState> claim_state_named(std::string_view name) { return named(states, name); }

bool may_become(ClaimState from, ClaimState to) {
  return std::ranges::any_of(following_states, [&](const auto& pair) { return pair == std::pair(from, to); });
}

std::string_view name_of(ErrorRecovery recovery) { return name_in(recoveries, recovery); }
std::optional<ErrorRecovery> error_recovery_named(std::string_view name) { return named(recoveries, name); }

std::string_view name_of(ReleaseReset reset) { return name_in(resets, reset); }
std::optional<ReleaseReset> release_reset_named(std::string_view name) { return named(resets, name); }

std::string_view name_of(ResetOutcome outcome) { return name_in(outcomes, outcome); }
std::optional<ResetOutcome> reset_outcome_named(std::string_view name) { return named(outcomes, name); }

bool is_another(const ClaimedDevice& claimed, const sysfs::Device& device) {
  if (claimed.inode && claimed.inode != device.inode) return true;
  return claimed.vendor != device.vendor || claimed.device != device.device;
}

bool is_as_claimed(const ClaimedDevice& claimed, const sysfs::Device* device) {
  return device != nullptr && !is_another(claimed, *device) && device->driver &&
         device->driver->text() == claimed.driver;
}

bool is_key_known(const Claim& claim) {
  if (claim.request.idempotency_key.empty()) return false;
  if (holds_devices(claim)) return true;
  return claim.made && claim.ended_at && std::chrono::system_clock::now() - *claim.ended_at < key_lasts;
}

bool holds_devices(const Claim& claim) {
  return claim.state != ClaimState::Lost && claim.state != ClaimState::Released;
}

std::optional<std::chrono::milliseconds> time_left(const Claim& claim) {
  using std::chrono::milliseconds;
  if (claim.expires_uptime) return *claim.expires_uptime - uptime();
  if (!claim.expires_at) return std::nullopt;
  return std::chrono::duration_cast<milliseconds>(*claim.expires_at - std::chrono::system_clock::now());
}

void set_time_left(Claim& claim, std::chrono::milliseconds left) {
  claim.expires_at = std::chrono::system_clock::now() + left;
  claim.expires_uptime = uptime() + left;
}

void begin_grace(Claim& claim) {
  claim.releasing_since = std::chrono::system_clock::now();
  claim.releasing_uptime = uptime();
}

bool is_grace_over(const Claim& claim) {
  const auto& grace = claim.request.grace;
  if (!grace || !claim.releasing_since) return false;
  if (claim.releasing_uptime) return uptime() >= *claim.releasing_uptime + *grace;
  return std::chrono::system_clock::now() >= *claim.releasing_since + *grace;
}

bool holds(const Claim& claim, const sysfs::Device& device) {
  return std::ranges::any_of(claim.devices, [&device](const ClaimedDevice& claimed) {
    return claimed.address == device.address || (claimed.iommu_group && claimed.iommu_group == device.iommu_group);
  });
}

}  // namespace devbindd::handoff
