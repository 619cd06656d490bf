// SPDX-License-Identifier: Apache-2.0
// A read of one device, or of the host, that may hang in the kernel, done by a worker: the daemon never waits for it. A
// device whose read hangs is not asked again until that read returns. Not here: what is read and what it means
// (override_reader.hpp, config_reader.hpp, attribute_reader.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

class GuardedReader {
 public:
  /// `what` completes "the kernel is busy with 0000:05:00.0: reading ... takes too long".
  GuardedReader(RunTask run_task, std::string what);

  /// Calls `done` once, within the workers' deadline. Errors: Overdue when the read hangs, DeviceNotFound when the
  /// device's directory is gone, else those of the task. Without an address: of the host.
  void read(const std::optional<sysfs::PciAddress>& address, Task task, std::function<void(TaskResult)> done);

  /// One task for several devices: how it is made, and how its answer is taken apart. As many parts as devices, in
  /// their order, else the answer is none.
  struct Batch {
    std::function<Task(const std::vector<sysfs::PciAddress>&)> make;
    std::function<std::vector<std::vector<std::string>>(const std::vector<std::string>&)> split;
  };
  using Answers = std::map<sysfs::PciAddress, TaskResult>;

  /// The same of several devices by one task. Where that fails or hangs they are asked one by one, so that one of them
  /// spoils the answer of no other. `done` is called once, with an entry for each, within twice the workers' deadline.
  void read_each(const std::vector<sysfs::PciAddress>& addresses, Batch batch, std::function<void(Answers)> done);

 private:
  void read_apart(const std::vector<sysfs::PciAddress>& addresses, const Batch& batch, std::shared_ptr<Answers> answers,
                  std::function<void(Answers)> done);
  std::string busy_with(const std::optional<sysfs::PciAddress>& address) const;

  RunTask run_task_;
  std::string what_;
  std::shared_ptr<std::set<std::optional<sysfs::PciAddress>>> hanging_;
};

}  // namespace devbindd::handoff
