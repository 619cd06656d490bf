// SPDX-License-Identifier: Apache-2.0
// What a selector found, in numbers: how many fit, how many are free, and why the others are not. Passive.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff {

/// Why a device that fits a selector is not free.
enum class NotFreeReason {
  Claimed,  ///< a claim holds it or its IOMMU group
  Cordoned,
  Busy,     ///< an operation works on it or its IOMMU group
  Refused,  ///< it is in use, or the kernel could not bind it
  Unfit,    ///< what is read only where it is needed (label, speed of the link) is not as wanted
};
std::string_view name_of(NotFreeReason reason);

struct NotFree {
  sysfs::PciAddress device;
  NotFreeReason reason = NotFreeReason::Refused;
  std::string detail = {};                                ///< a sentence without its end
  std::string claim = {};                                 ///< id of the one that holds it
  std::string operation = {};                             ///< id of the one that works on it
  std::optional<std::chrono::milliseconds> free_in = {};  ///< by the time of its claim, at the latest; nullopt: unknown
};

struct Selection {
  static constexpr std::size_t most_told = 64;

  unsigned wanted = 0;
  std::size_t fit = 0;                 ///< devices that are as the selector says
  std::size_t free = 0;                ///< of them; with same_switch: below the root port with the most
  std::vector<NotFree> not_free = {};  ///< the first most_told of the others that were looked at

  void add(NotFree device) {
    if (not_free.size() < most_told) not_free.push_back(std::move(device));
  }
};

/// After how long asking again may help; nullopt: waiting does not help, or nobody knows how long.
std::optional<std::chrono::seconds> worth_waiting(const Selection& selection);

}  // namespace devbindd::handoff
