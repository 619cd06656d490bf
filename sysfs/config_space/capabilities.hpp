// SPDX-License-Identifier: Apache-2.0
// The capabilities of a function, decoded. Pure functions of the configuration space's bytes; nothing reads a device.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "sysfs/config_space/config_space.hpp"

namespace devbindd::sysfs {

struct Capability {
  CapabilityHeader header;       ///< its bytes are those that belong to the capability, as far as that is known
  std::string_view name;         ///< "msix"; "" for an unknown ID
  std::string_view title;        ///< "" for an unknown ID
  std::optional<Fields> fields;  ///< nullopt: only listed
  std::vector<std::string_view> truncated;  ///< registers of it that lie beyond what was read
};

/// nullopt and problems as in CapabilityLists.
struct CapabilityReport {
  std::optional<std::vector<Capability>> standard;
  std::optional<std::vector<Capability>> extended;
  std::vector<ListProblem> problems;
};

/// Walks both lists and decodes what is known. The bytes belong to `config`.
CapabilityReport decode_capabilities(const ConfigSpace& config);

}  // namespace devbindd::sysfs
