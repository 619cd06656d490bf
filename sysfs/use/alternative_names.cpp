// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/alternative_names.hpp"

#include "sysfs/use/network_dump.hpp"

namespace devbindd::sysfs {

Result<AlternativeNames> read_alternative_names() {
  auto interfaces = dump_links();
  if (!interfaces) return std::unexpected(interfaces.error());
  AlternativeNames names;
  for (auto& interface : *interfaces) {
    if (!interface.alternative_names.empty())
      names.emplace(std::move(interface.name), std::move(interface.alternative_names));
  }
  return names;
}

}  // namespace devbindd::sysfs
