// SPDX-License-Identifier: Apache-2.0
// Which capability has which ID, name and decoder.
#pragma once

#include <cstdint>
#include <string_view>

#include "sysfs/config_space/capability_decoders.hpp"
#include "sysfs/config_space/config_space.hpp"

namespace devbindd::sysfs {

struct CapabilityKind {
  std::uint16_t id = 0;
  std::string_view name;                                                ///< short and stable, for programs: "msix"
  std::string_view title;                                               ///< as the specification calls it
  void (*decode)(RegisterReader&, const CapabilityContext&) = nullptr;  ///< nullptr: only listed
};

constexpr std::uint16_t express_id = 0x10;

/// nullptr: an ID that nobody here knows.
const CapabilityKind* capability_kind(ListKind list, std::uint16_t id);

}  // namespace devbindd::sysfs
