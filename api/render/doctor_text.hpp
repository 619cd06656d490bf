// SPDX-License-Identifier: Apache-2.0
// The preflight's findings as a report for a person, at most 100 columns wide. Pure: checks in, text out.
// Not here: the checks (handoff/doctor/doctor.hpp).
#pragma once

#include <string>
#include <vector>

#include "handoff/doctor/doctor.hpp"

namespace devbindd::api {

/// A head with the counts, then each check: its verdict and title, what was found, and after "->" what to do.
std::string doctor_text(const std::vector<handoff::Check>& checks, const std::string& host);

}  // namespace devbindd::api
