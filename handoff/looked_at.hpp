// What became of each rule by which the uses of a device were looked for: a refusal and an audit line can say not only
// what was found, but what was looked at, and what could not be seen. Not here: the rules that a worker runs
// (usage_rules.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/device.hpp"
#include "sysfs/pci_address.hpp"
#include "vfio/holders.hpp"

namespace devbindd::handoff {

struct MemberFacts;

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

// The rules that the daemon itself runs.
inline constexpr std::string_view vfio_rule_name = "vfio";
inline constexpr std::string_view functions_rule_name = "virtual_functions";
inline constexpr std::string_view claims_rule_name = "claims";

/// Whether a device on a VFIO driver is open; the Error of `holders` tells why nobody can say by whom.
RuleOutcome vfio_rule(const sysfs::Device& device, const sysfs::Result<std::vector<vfio::Holder>>& holders);
/// Whether a PF has VFs.
RuleOutcome functions_rule(const sysfs::Device& device);
/// Whether a claim, by its id, holds the device; "" for none.
RuleOutcome claims_rule(const std::string& claim);

/// All that was looked at for a device that a request changes.
LookedAt looked_at(const MemberFacts& member);

}  // namespace devbindd::handoff
