// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/selection.hpp"

#include <algorithm>

namespace devbindd::handoff {

std::string_view name_of(NotFreeReason reason) {
  switch (reason) {
    case NotFreeReason::Claimed: return "claimed";
    case NotFreeReason::Cordoned: return "cordoned";
    case NotFreeReason::Busy: return "busy";
    case NotFreeReason::Refused: return "refused";
    case NotFreeReason::Unfit: return "unfit";
  }
  return "refused";
}

std::optional<std::chrono::seconds> worth_waiting(const Selection& selection) {
  if (selection.fit < selection.wanted) return std::nullopt;
  std::optional<std::chrono::seconds> soonest;
  for (const auto& device : selection.not_free) {
    std::optional<std::chrono::seconds> wait;
    if (device.reason == NotFreeReason::Busy) wait = std::chrono::seconds(1);
    if (device.free_in)
      wait = std::max(std::chrono::ceil<std::chrono::seconds>(*device.free_in), std::chrono::seconds(1));
    if (wait && (!soonest || *wait < *soonest)) soonest = wait;
  }
  return soonest;
}

}  // namespace devbindd::handoff
