// SPDX-License-Identifier: Apache-2.0
// Reads driver_override through workers: the read takes the device lock on some kernels, and so blocks as long as
// somebody's unbind of that device does.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/worker/batch_reader.hpp"

namespace devbindd::handoff {

/// The override, or nullopt for none. Errors: Overdue when the kernel is busy with the device, else those of the read.
using OverrideAnswer = sysfs::Result<std::optional<std::string>>;
using OverrideAnswers = std::map<sysfs::PciAddress, OverrideAnswer>;

class OverrideReader {
 public:
  explicit OverrideReader(RunTask run_task);

  /// Calls `done` once, with an entry for each address, by one task where no read hangs.
  void read(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
            std::function<void(OverrideAnswers)> done);

 private:
  BatchReader<ReadOverrides> reader_;
};

}  // namespace devbindd::handoff
