// SPDX-License-Identifier: Apache-2.0
// Reads the configuration space of devices through workers: the read waits while the device is in reset and may have to
// wake it.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "handoff/worker/guarded_reader.hpp"
#include "sysfs/config_space/config_space.hpp"

namespace devbindd::handoff {

class ConfigReader {
 public:
  using Answer = sysfs::Result<sysfs::ConfigSpace>;
  using Answers = std::map<sysfs::PciAddress, Answer>;

  explicit ConfigReader(RunTask run_task);

  /// Calls `done` once, within the workers' deadline. Errors: DeviceNotFound; Overdue when the kernel is busy with the
  /// device, else those of the read.
  void read(const sysfs::PciAddress& address, const Asker& asker, std::function<void(Answer)> done);
  /// The same for several, with an entry for each.
  void read_all(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                const std::function<void(Answers)>& done);

 private:
  GuardedReader<ReadConfig> reader_;
};

}  // namespace devbindd::handoff
