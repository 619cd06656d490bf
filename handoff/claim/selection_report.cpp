// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/selection_report.hpp"

#include <algorithm>
#include <string>

namespace devbindd::handoff {
namespace {

// What the device itself is like says more than that somebody else has it.
const NotFree* most_telling(const Selection& selection) {
  const NotFree* telling = nullptr;
  for (const auto& device : selection.not_free) {
    const bool own = device.reason == NotFreeReason::Refused || device.reason == NotFreeReason::Unfit;
    if (telling == nullptr || own) telling = &device;
  }
  return telling;
}

std::string shortfall(const Selection& selection, const Selector& selector) {
  if (selection.fit == 0) return "of 0 devices that fit none is free: no device of this host is as the selector says";
  if (selection.fit < selection.wanted)
    return "of " + std::to_string(selection.fit) + " devices that fit, " + std::to_string(selection.wanted) +
           " are wanted: there are no more";
  auto detail = "of " + std::to_string(selection.fit) + " devices that fit, " + std::to_string(selection.free) +
                " of the " + std::to_string(selection.wanted) + " wanted are free" +
                (selector.same_switch ? " below one root port" : "");
  const auto* telling = most_telling(selection);
  if (telling == nullptr) return detail;
  auto why = telling->detail;
  if (why.ends_with('.')) why.pop_back();
  return detail + "; one is not since: " + why;
}

std::string next_step_for(const Selection& selection) {
  if (selection.fit < selection.wanted)
    return "GET /v1/devices, with the same members as parameters, shows which there are; labels come from the "
           "policies.";
  const bool risky = std::ranges::any_of(selection.not_free,
                                         [](const NotFree& device) { return device.reason == NotFreeReason::Refused; });
  return risky ? "Want fewer devices or others; or ask for a device by its address: that tells whether what speaks "
                 "against it can be accepted."
               : "Want fewer devices or others, or wait until some are free.";
}

}  // namespace

Refusal not_enough(const Selection& selection, const Selector& selector, const std::vector<Evidence>& found) {
  const auto detail = shortfall(selection, selector);
  Refusal refused{{sysfs::ErrorCode::NotEnoughDevices, detail}, found, {}};
  refused.evidence.push_back({.code = "claim.not_enough",
                              .severity = Severity::Block,
                              .detail = detail + ".",
                              .next_step = next_step_for(selection)});
  refused.selection = selection;
  return refused;
}

}  // namespace devbindd::handoff
