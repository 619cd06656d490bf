// SPDX-License-Identifier: Apache-2.0
// How a check of the doctor puts what it found: a number of things, some of them by name.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "handoff/doctor/doctor.hpp"

namespace devbindd::handoff {

inline constexpr std::size_t max_named = 8;  ///< things that one finding names; the others are counted

/// A check that found nothing to do.
Check passed(std::string id, std::string title, std::string detail);

/// "3 devices", "1 device".
std::string counted(std::size_t number, const std::string& noun);

/// The devices' addresses, at most `max_named`: "0000:21:00.0, 0000:22:00.0 and 3 more".
std::string named(const std::vector<const sysfs::Device*>& devices);

}  // namespace devbindd::handoff
