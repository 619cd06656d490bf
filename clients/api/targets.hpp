// SPDX-License-Identifier: Apache-2.0
// What a word of a command line stands for: a device, an IOMMU group or a claim, with the daemon's help for names.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "clients/api/daemon.hpp"

namespace devbindd::clients {

struct DeviceTarget {
  std::string address;
};
struct GroupTarget {
  std::uint32_t number = 0;
};
struct ClaimTarget {
  std::string id;
};
using Target = std::variant<DeviceTarget, GroupTarget, ClaimTarget>;

/// A word as a target. Names of network interfaces (their alternative names too) and of what a driver has made of a
/// device (nvme0, nvme0n1, sda) are looked up. Fails where nothing has the name, or several devices have it.
Result<Target> target_of(Daemon& daemon, const std::string& word);

/// As target_of, for a device alone.
Result<std::string> address_of(Daemon& daemon, const std::string& word);

/// The id of a claim or an operation: the whole of it, its path, or the first eight characters.
Result<std::string> whole_claim_id(Daemon& daemon, const std::string& word);
Result<std::string> whole_operation_id(Daemon& daemon, const std::string& word);

/// The addresses that fit a pattern of a shell (0000:05:*, 05:00.*), as dpdk-devbind.py takes them.
Result<std::vector<std::string>> addresses_fitting(Daemon& daemon, const std::string& pattern);

}  // namespace devbindd::clients
