// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/damaged_rows.hpp"

#include <algorithm>

namespace devbindd::handoff {

DamagedRows::DamagedRows(const EngineServices& services)
    : services_(services), rows_(services.journal.remembered().damaged) {}

void DamagedRows::set_aside(DamagedRow row) {
  if (std::ranges::find(rows_, row) != rows_.end()) return;
  if (services_.warn)
    services_.warn("the row " + row.key + " of the state database's table " + row.table + " is damaged (" + row.reason +
                   ") and kept aside in its table damaged");
  rows_.push_back(row);
  if (rows_.size() > max_damaged_rows) rows_.erase(rows_.begin());
  services_.journal.set_aside(std::move(row),
                              [&services = services_](const sysfs::Result<>& stored) { warn_of(services, stored); });
}

}  // namespace devbindd::handoff
