// SPDX-License-Identifier: Apache-2.0
// What the parts of Claims share. Only for claims*.cpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "handoff/claim/claims.hpp"

namespace devbindd::handoff {

/// How long an ending claim waits for whatever it waits for before it looks again.
constexpr std::chrono::milliseconds look_again{1000};

inline TimePoint now() { return std::chrono::system_clock::now(); }

/// When a process began, in ticks since the boot; nullopt when there is none, or it has ended.
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid);

/// Whether the number is that of a thread other than its process's first.
bool is_thread(const sysfs::Tree& tree, std::int32_t pid);

/// What was asked for, while devices are chosen for it.
struct Claims::Attempt {
  ClaimRequest request;
  Claim claim;
  std::function<void(Outcome)> done;  ///< a refusal is put into the audit first
  std::function<void(Outcome)> drop;  ///< without that
  std::function<void(const std::string&)> accepted;
  bool dry_run = false;
  std::map<std::string, Finding> found = {};               ///< by the IOMMU group, or the device where it has none
  std::map<sysfs::PciAddress, std::string> unfit = {};     ///< by label or link speed, "" where it fits
  std::set<std::string> looking_at = {};                   ///< groups, kept from the looks of others meanwhile
  std::size_t looks = 0;                                   ///< that are under way
  std::map<std::string, std::size_t> looked_further = {};  ///< groups of each pool, after there were enough devices
  std::vector<sysfs::PciAddress> chosen = {};
  std::vector<Evidence> evidence = {};  ///< of devices that no selector takes along
};

inline Refusal refusal(sysfs::ErrorCode code, std::string message) { return {{code, std::move(message)}, {}, {}}; }

}  // namespace devbindd::handoff
