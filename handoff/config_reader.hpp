// Reads the configuration space of a device without ever hanging the daemon: the read waits while the device is in
// reset and may have to wake it. A device whose read hangs is not asked again until that read returns.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "handoff/task.hpp"
#include "sysfs/config_space.hpp"

namespace devbindd::handoff {

class ConfigReader {
 public:
  using Answer = sysfs::Result<sysfs::ConfigSpace>;

  explicit ConfigReader(RunTask run_task);

  /// Calls `done` once, within the workers' deadline. Errors: DeviceNotFound; Overdue when the kernel is busy with the
  /// device, else those of the read.
  void read(const sysfs::PciAddress& address, std::function<void(Answer)> done);

 private:
  RunTask run_task_;
  std::shared_ptr<std::set<sysfs::PciAddress>> hanging_;
};

}  // namespace devbindd::handoff
