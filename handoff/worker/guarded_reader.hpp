// SPDX-License-Identifier: Apache-2.0
// A read of one device, or of the host, that may hang in the kernel, done by a worker: the daemon never waits for it. A
// device whose read hangs is not asked again until that read returns. Not here: several devices by one task
// (batch_reader.hpp), what is read and what it means (override_reader.hpp, config_reader.hpp, attribute_reader.hpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

/// "the kernel is busy with 0000:05:00.0: reading WHAT takes too long"; without an address: of the host.
std::string busy_sentence(const std::string& what, const std::optional<sysfs::PciAddress>& address);
/// The error of a read about a device: DeviceNotFound when its directory is gone.
sysfs::Error error_about(const std::optional<sysfs::PciAddress>& address, sysfs::Error error);

template <class Work>
class GuardedReader {
 public:
  using Done = OnResult<Work>;

  /// `what` completes "the kernel is busy with 0000:05:00.0: reading ... takes too long".
  GuardedReader(RunTask run_task, std::string what) : run_task_(std::move(run_task)), what_(std::move(what)) {}

  /// Calls `done` once, within the workers' deadline. Errors: Overdue when the read hangs, DeviceNotFound when the
  /// device's directory is gone, else those of the task. Without an address: of the host.
  void read(const std::optional<sysfs::PciAddress>& address, Work work, Asker asker, Done done) {
    const auto busy = busy_with(address);
    if (hangs(address)) return done(sysfs::fail(sysfs::ErrorCode::Overdue, busy));
    auto callbacks = within_deadline_of<Work>(busy, [address, done = std::move(done)](ResultOf<Work> result) {
      if (result) return done(std::move(result));
      done(std::unexpected(error_about(address, std::move(result.error()))));
    });
    run_task_({std::move(work), std::move(asker)},
              {.on_overdue =
                   [address, late = std::move(callbacks.on_overdue), hanging = hanging_](int pid) {
                     hanging->insert(address);
                     late(pid);
                   },
               .on_result =
                   [address, answer = std::move(callbacks.on_result), hanging = hanging_](TaskResult result) {
                     hanging->erase(address);
                     answer(std::move(result));
                   }});
  }

  bool hangs(const std::optional<sysfs::PciAddress>& address) const { return hanging_->contains(address); }
  std::string busy_with(const std::optional<sysfs::PciAddress>& address) const { return busy_sentence(what_, address); }
  const RunTask& run_task() const { return run_task_; }

 private:
  RunTask run_task_;
  std::string what_;
  std::shared_ptr<std::set<std::optional<sysfs::PciAddress>>> hanging_ =
      std::make_shared<std::set<std::optional<sysfs::PciAddress>>>();
};

}  // namespace devbindd::handoff
