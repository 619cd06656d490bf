// SPDX-License-Identifier: Apache-2.0
// What became of each rule by which the uses of a device were looked for: a refusal and an audit line can say not only
// what was found, but what was looked at, and what could not be seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff {

enum class Outcome {
  Found,
  Nothing,     ///< looked at, and there is none
  NotVisible,  ///< nothing was found, and not all of it could be seen
};

/// "found", "nothing", "not_visible": on the wire.
std::string_view name_of(Outcome outcome);

struct RuleOutcome {
  std::string rule = {};  ///< Rule::name, or one of the three below
  Outcome outcome = Outcome::Nothing;
  std::string reason = {};  ///< what could not be seen and why; not empty with NotVisible, may be with Found

  bool operator==(const RuleOutcome&) const = default;
};

/// The rules that were looked at for one device, in their order.
struct LookedAt {
  sysfs::PciAddress device = {};
  std::vector<RuleOutcome> rules = {};

  bool operator==(const LookedAt&) const = default;
};

// The rules that the daemon itself looks at.
inline constexpr std::string_view vfio_rule_name = "vfio";
inline constexpr std::string_view functions_rule_name = "virtual_functions";
inline constexpr std::string_view claims_rule_name = "claims";

}  // namespace devbindd::handoff
