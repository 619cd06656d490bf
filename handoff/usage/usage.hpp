// SPDX-License-Identifier: Apache-2.0
// Whether the host uses a PCI function, as reasons against taking it away: everything of sysfs/*_use put together for
// one function and its VFs. Blocks, scans all processes and enters other network namespaces: single-threaded worker
// processes only. Not here: VFIO's own users (vfio/holders.hpp), and what a request asks for (verdict.hpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/model/rule_outcome.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/use/block_use.hpp"
#include "sysfs/use/network_state.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::handoff {

/// What find_uses asks besides the tree of files.
struct UsageSeams {
  std::function<sysfs::Result<sysfs::NetworkState>(const sysfs::Tree&)> network = {};
  /// Adds namespaces that take long to be found: asked where a network card shows no interface without them.
  std::function<sysfs::Result<>(const sysfs::Tree&, sysfs::NetworkState&)> hidden_namespaces = {};
  sysfs::BlockSeams block = {};
  /// Adds what runs on interfaces: asked for a function that has one.
  std::function<void(const sysfs::Tree&, sysfs::NetworkState&)> what_runs = {};
};

/// The kernel's answers.
UsageSeams real_usage_seams();

/// The uses of a function, and what became of every rule that was looked at for them (usage_rules.hpp).
struct Usage {
  std::vector<sysfs::Use> uses = {};  ///< in the order of the rules
  std::vector<RuleOutcome> rules = {};

  bool operator==(const Usage&) const = default;
};

/// Runs every rule on the function and on each VF of it; the uses of a VF have its address in front of the path.
/// `client_local_address`: where the caller of the API reached the daemon, nullopt for a Unix socket. Of a function
/// that no driver of the host has, what a driver would have made below it is not there to be looked at. Errors: Kernel,
/// when the network or /proc cannot be read at all: then nothing is known, which is not the same as no use.
sysfs::Result<Usage> find_uses(const sysfs::Tree& tree, const sysfs::Device& device, const UsageSeams& seams,
                               const std::optional<std::string>& client_local_address);

/// Of several functions, in their order: the facts of the host are read once, and all processes looked through once.
sysfs::Result<std::vector<Usage>> find_uses(const sysfs::Tree& tree, const std::vector<sysfs::Device>& devices,
                                            const UsageSeams& seams,
                                            const std::optional<std::string>& client_local_address);

/// What counts of the usage of a device on a VFIO driver: that a process has its memory mapped behind VFIO's back. The
/// rest is what its driver of the host would have made of it, and who has it open tells vfio/holders.hpp.
Usage behind_vfio(Usage usage);

/// Where the kernel shows what the rule of that name looks at, one sentence; "" for a name that is none.
std::string_view source_of_rule(std::string_view name);

/// The uses as evidence about the function at `address`, in their order. Mounted file systems and swap are never
/// acceptable; what is told for information only is a warning.
std::vector<Evidence> evidence_of(const std::vector<sysfs::Use>& uses, const sysfs::PciAddress& address);

}  // namespace devbindd::handoff
