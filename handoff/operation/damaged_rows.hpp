// SPDX-License-Identifier: Apache-2.0
// Rows of the journal that nobody can read: kept aside in a table of their own, named in the log and by the doctor.
#pragma once

#include <vector>

#include "handoff/operation/engine_services.hpp"

namespace devbindd::handoff {

class DamagedRows {
 public:
  /// Begins with those of earlier daemons.
  explicit DamagedRows(const EngineServices& services);

  /// Keeps a row aside, and names it in the log; one that is there already is none.
  void set_aside(DamagedRow row);
  /// Those of this daemon and of earlier ones, oldest first: the newest max_damaged_rows.
  const std::vector<DamagedRow>& all() const { return rows_; }

 private:
  const EngineServices& services_;
  std::vector<DamagedRow> rows_;
};

}  // namespace devbindd::handoff
