// SPDX-License-Identifier: Apache-2.0
// What goes on, in one line for `systemctl status`. Pure.
#pragma once

#include <string>

#include "handoff/operation/operation_table.hpp"

namespace devbindd::daemon {

struct WhatGoesOn {
  std::size_t devices = 0;
  bool read_only = false;
  const handoff::OperationTable::Running& operations;
  std::size_t claims = 0;       ///< that are active
  std::size_t quarantined = 0;  ///< claims whose devices could not be given back
};

/// "40 PCI devices, 2 operations running, 1 operation blocked (unbind of 0000:16:00.0), 3 claims". What there is none
/// of is left out; of blocked operations the first is named.
std::string status_line(const WhatGoesOn& facts);

}  // namespace devbindd::daemon
