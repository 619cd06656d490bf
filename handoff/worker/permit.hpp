// SPDX-License-Identifier: Apache-2.0
// What an accepted operation, a claim or a probe may touch, as the keeper (keeper.hpp) is told before the first worker
// touches it. Passive. Not here: who keeps permits (permit_table.hpp), who looks at them (permit_check.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/step.hpp"

namespace devbindd::handoff {

/// Most devices and IDs of one permit: a function with all the VFs that it can have.
constexpr std::size_t max_permitted = 4096;
/// Most permits at once: claims, operations, and probes.
constexpr std::size_t max_permits = 2048;
constexpr std::size_t max_subject = 128;

struct Permit {
  std::uint64_t number = 0;                     ///< that tells it from every other one; the link gives it
  std::string subject = {};                     ///< "operation ID", "claim ID", "probe of ADDRESS"
  std::vector<sysfs::PciAddress> devices = {};  ///< and the VFs of each
  std::vector<std::string> ids = {};            ///< "VVVV DDDD": IDs that drivers may be given, or lose

  bool operator==(const Permit&) const = default;
};

/// Tells the keeper; the permit stands until the last copy of what is returned has gone.
using AskPermit = std::function<std::shared_ptr<void>(Permit)>;

/// Adds what the step touches.
void add_to(Permit& permit, const sysfs::Step& step);

}  // namespace devbindd::handoff
