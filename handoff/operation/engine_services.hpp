// SPDX-License-Identifier: Apache-2.0
// What the engine and its parts are given by the daemon: the kernel, the worker processes, the journal, time, the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "handoff/journal/journal.hpp"
#include "handoff/model/host_event.hpp"
#include "handoff/model/selector.hpp"
#include "handoff/worker/leftover_workers.hpp"
#include "handoff/worker/permit.hpp"
#include "handoff/worker/task.hpp"
#include "sysfs/device/inventory.hpp"
#include "sysfs/kernel/kernel_module.hpp"

namespace devbindd::handoff {

struct EngineServices {
  const sysfs::Tree& tree;
  sysfs::Inventory& inventory;
  std::function<sysfs::UeventBatch()> drain_uevents;
  RunTask run_task;  ///< for questions, and for what needs no worker of its own
  Journal& journal;
  const sysfs::ModuleIndex& modules;
  bool read_only = false;
  std::string boot_id = {};
  /// The worker processes of earlier daemons that still run.
  std::function<std::vector<LeftoverWorker>()> leftovers = [] { return std::vector<LeftoverWorker>{}; };
  /// Ends such a process, which has been stopped by a signal.
  std::function<void(std::int32_t pid)> end_leftover = [](std::int32_t) {};
  /// Runs a function after a while, on the daemon's thread. Without it nothing is recovered.
  std::function<void(std::chrono::milliseconds, std::function<void()>)> after = {};
  /// A worker for one accepted operation, as long as it lasts. Without it `run_task` is used.
  OpenLane open_lane = {};
  /// Has the workers' keeper know what may be touched, before anything is. Without it workers do what they are asked
  /// for.
  AskPermit permit = {};
  /// Tells those who follow this host of a change.
  std::function<void(const HostEvent&)> tell = {};
  /// What the host's policies call a device, for permissions by labels.
  LabelsOf labels_of = {};
  std::function<void(const std::string&)> inform = {};  ///< for what is worth a line in the log
  std::function<void(const std::string&)> warn = {};    ///< for what is worth a line in the log and nothing more
};

/// A line in the log where `done` is an error: of what the journal could not store, or a file that could not be read.
/// An end that did not reach the disk changes nothing on the host; the next daemon will tell the operation as
/// interrupted.
inline void warn_of(const EngineServices& services, const sysfs::Result<>& done) {
  if (!done && services.warn) services.warn(done.error().message);
}

/// nullptr without a keeper.
inline std::shared_ptr<void> permit_of(const EngineServices& services, Permit permit) {
  return services.permit ? services.permit(std::move(permit)) : nullptr;
}

inline void tell_of(const EngineServices& services, const HostEvent& event) {
  if (services.tell) services.tell(event);
}

}  // namespace devbindd::handoff
