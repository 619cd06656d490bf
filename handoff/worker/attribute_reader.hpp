// SPDX-License-Identifier: Apache-2.0
// Reads attributes of a device through workers: some wake the device or wait for it (link speed, vital product data).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "handoff/worker/guarded_reader.hpp"

namespace devbindd::handoff {

class AttributeReader {
 public:
  explicit AttributeReader(RunTask run_task);

  /// Calls `done` once, within the workers' deadline, with the attributes that are there; none of a device that is
  /// gone. Errors: Overdue, and those of the task.
  void read(const sysfs::PciAddress& address, const std::vector<std::string>& names, const Asker& asker,
            std::function<void(sysfs::Result<Attributes>)> done);

 private:
  GuardedReader<ReadAttributes> reader_;
};

}  // namespace devbindd::handoff
