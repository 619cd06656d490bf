// SPDX-License-Identifier: Apache-2.0
// What somebody may do with devices: which, by which drivers, at which risks, how many. Passive; made from the rule
// that gives it. Not here: which questions he may ask at all (api/access/role.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "handoff/model/request.hpp"
#include "handoff/model/selector.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

struct Permission {
  std::string holder = {};  ///< for sentences: "the role claimant (rule 1 of \"access\", group vmm)"
  std::optional<std::vector<Selector>> devices = {};     ///< one of these must fit; nullopt: all
  std::optional<std::vector<std::string>> drivers = {};  ///< nullopt: all
  std::optional<std::vector<std::string>> risks = {};    ///< evidence codes; nullopt: all
  std::optional<unsigned> max_devices = {};              ///< of claims at one time; nullopt: no limit
  std::optional<unsigned> max_claims = {};
  bool own_claims_only = false;  ///< a claim's owner is who asks for it, and nobody else
};

/// Whether the permission is for the device. `labels`: what the policies call it.
bool covers(const Permission& permission, const sysfs::Device& device, const Labels& labels);

/// Why the permission is not for these devices, for the first that it is not for. Error: DeviceForbidden.
std::optional<sysfs::Error> denied_devices(const Permission& permission,
                                           const std::vector<const sysfs::Device*>& devices, const LabelsOf& labels_of);

/// Why the request goes beyond the permission, whatever devices it is for. Errors: DriverForbidden, RiskForbidden.
std::optional<sysfs::Error> denied_request(const Permission& permission, const ChangeRequest& request);

}  // namespace devbindd::handoff
