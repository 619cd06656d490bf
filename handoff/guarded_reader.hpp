// A read of one device, or of the host, that may hang in the kernel, done by a worker: the daemon never waits for it. A
// device whose read hangs is not asked again until that read returns. Not here: what is read and what it means
// (override_reader.hpp, config_reader.hpp, attribute_reader.hpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "handoff/task.hpp"

namespace devbindd::handoff {

class GuardedReader {
 public:
  /// `what` completes "the kernel is busy with 0000:05:00.0: reading ... takes too long".
  GuardedReader(RunTask run_task, std::string what);

  /// Calls `done` once, within the workers' deadline. Errors: Overdue when the read hangs, DeviceNotFound when the
  /// device's directory is gone, else those of the task. Without an address: of the host.
  void read(const std::optional<sysfs::PciAddress>& address, Task task, std::function<void(TaskResult)> done);

 private:
  RunTask run_task_;
  std::string what_;
  std::shared_ptr<std::set<std::optional<sysfs::PciAddress>>> hanging_;
};

}  // namespace devbindd::handoff
