// SPDX-License-Identifier: Apache-2.0
// One reason for or against a change: what was found, where, and what to do about it. Passive.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "vfio/holders.hpp"

namespace devbindd::handoff {

enum class Severity { Warn, Block };

struct Evidence {
  std::string code = {};  ///< "net.default_route": stable, the name that accept_risks takes
  Severity severity = Severity::Block;
  bool acceptable = false;  ///< whether accept_risks may override it; what the kernel cannot do is never acceptable
  std::optional<sysfs::PciAddress> device = {};
  std::string detail = {};                   ///< one sentence: what was found
  std::string next_step = {};                ///< one sentence: what to do
  std::vector<std::string> path = {};        ///< through stacked devices: {"eth0", "bond0"}
  std::vector<vfio::Holder> processes = {};  ///< who, where it is a process

  bool operator==(const Evidence&) const = default;
};

/// The codes that this version can give, for the contract and for checking accept_risks.
const std::vector<std::string_view>& evidence_codes();

/// The evidence that still says no after `accepted` codes are taken into account.
std::vector<Evidence> blocking(const std::vector<Evidence>& evidence, const std::vector<std::string>& accepted);

}  // namespace devbindd::handoff
