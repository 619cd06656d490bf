// SPDX-License-Identifier: Apache-2.0
// Whether somebody may do something: the one place that says no, and what would be needed. Pure. Not here: what a
// change takes besides the devices that it is asked for (handoff/operation/permission_check.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/access/access_rules.hpp"
#include "handoff/model/permission.hpp"

namespace devbindd::api {

struct Denial {
  int status = 403;
  std::string code;    ///< forbidden, device_forbidden; 401: token_needed, token_unknown
  std::string detail;  ///< names the role, what gave it, and what would be needed
  Right needed = Right::Service;
};

/// Why who has the grant may not do what needs the right, with these devices where it is about some; nullopt: he may.
std::optional<Denial> decide(const Grant& grant, Right right, const std::vector<const sysfs::Device*>& devices = {},
                             const handoff::LabelsOf& labels_of = {});

}  // namespace devbindd::api
