// SPDX-License-Identifier: Apache-2.0
// What was asked for, while devices are chosen for it and until they are held. Passive.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "handoff/claim/claim_outcome.hpp"
#include "handoff/model/claim.hpp"

namespace devbindd::handoff {

/// What a dry run of the binding of a device with its group says.
struct Finding {
  std::string reason = {};  ///< why not; "" where it may be taken
  int rank = 0;             ///< how much it is worth avoiding: 0 without any evidence
};

struct ClaimAttempt {
  ClaimRequest request;
  Claim claim;
  ClaimAnswer done;  ///< a refusal is put into the audit first
  ClaimAnswer drop;  ///< without that
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

using Attempt = std::shared_ptr<ClaimAttempt>;

}  // namespace devbindd::handoff
