// SPDX-License-Identifier: Apache-2.0
// The one place that decides on changes: gathers the facts, has the plan made, refuses or runs it, and keeps the
// records. One operation at a time for each IOMMU group; groups side by side. Lives on the daemon's one thread: no
// locks. A facade: each job is done by a part of its own, which knows only parts above it in the list of members. Not
// here: HTTP, processes, SQL.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "handoff/operation/cordons.hpp"
#include "handoff/operation/damaged_rows.hpp"
#include "handoff/operation/decision.hpp"
#include "handoff/operation/device_locks.hpp"
#include "handoff/operation/device_view.hpp"
#include "handoff/operation/engine_services.hpp"
#include "handoff/operation/fact_gathering.hpp"
#include "handoff/operation/member_selection.hpp"
#include "handoff/operation/operation_runs.hpp"
#include "handoff/operation/operation_table.hpp"
#include "handoff/operation/operation_waiters.hpp"
#include "handoff/operation/original_bindings.hpp"
#include "handoff/operation/recovery.hpp"
#include "handoff/worker/device_readers.hpp"

namespace devbindd::handoff {

class Engine {
 public:
  using Services = EngineServices;

  explicit Engine(Services services);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Brings the operations that an earlier daemon left unfinished to an end, before any request is taken: each as it
  /// was asked for where the kernel shows that, else as it was before. Until then they keep their devices from others.
  void start_recovery();

  /// Calls `decide` once: at once, or when the facts are there.
  void submit(ChangeRequest request, Requester requester, bool dry_run, std::function<void(Decision)> decide);

  /// Takes in what uevents tell: the snapshot is marked, and what was known of a device that was removed is forgotten.
  void take(const sysfs::UeventBatch& batch) { view_.take(batch); }
  /// The snapshot as the kernel has it now. Error: Kernel, when it cannot be read.
  sysfs::Result<const sysfs::Inventory*> current() { return view_.current(); }
  /// The device at the address as the kernel has it now. Errors: DeviceNotFound; as current().
  sysfs::Result<sysfs::Device> find_device(const sysfs::PciAddress& address) { return view_.find(address); }

  /// Changes that were asked for and refused since this daemon runs, without dry runs.
  using Refusals = std::map<std::pair<ChangeKind, sysfs::ErrorCode>, std::uint64_t>;
  const Refusals& refusals() const { return refusals_; }
  /// Another number when the device has changed, or a change of it was accepted: what a caller's look at it is good
  /// for.
  std::uint64_t change_mark(const sysfs::PciAddress& address) const;

  /// The devices as the kernel has them, and what is told of their changes.
  DeviceView& view() { return view_; }
  const DeviceView& view() const { return view_; }
  /// The operations, those that run and those of the past.
  const OperationTable& operations() const { return operations_; }
  /// Who waits for one of them.
  OperationWaiters& waiters() { return waiters_; }

  /// From now on a device for which `lookup` gives the id of a claim is kept from every request that is not the
  /// claim's own.
  void set_claim_lookup(std::function<std::string(const sysfs::Device&)> lookup) { claims_.find = std::move(lookup); }
  /// The claim that holds the device, or "".
  std::string claim_of(const sysfs::Device& device) const { return claims_(device); }

  /// Keeps every operation away from the device and its group until the returned function is called, for an active
  /// probe. Errors: OperationInProgress, ShuttingDown, ReadOnly.
  sysfs::Result<std::function<void()>> reserve(const sysfs::Device& device);
  /// What keeps changes from the device or its group now: the id of an operation, "an active probe", or "".
  std::string work_on(const sysfs::Device& device) const { return locks_.holder_of(keys_of({device})); }

  /// Devices that get no new claims.
  Cordons& cordons() { return cordons_; }
  const Cordons& cordons() const { return cordons_; }
  /// How devices were before devbindd touched them, and which are incomplete.
  const OriginalBindings& originals() const { return originals_; }
  /// What only a worker can find out about devices.
  DeviceReaders& readers() { return readers_; }
  DamagedRows& damaged_rows() { return damaged_; }
  const Services& services() const { return services_; }

  /// From now on every change is refused with ShuttingDown.
  void stop_accepting() { stopping_ = true; }
  bool accepting() const { return !stopping_; }

 private:
  bool has_changed(const ChangeRequest& request) const;
  std::function<void(Decision)> counted(ChangeKind kind, std::function<void(Decision)> decide);

  Services services_;
  ClaimLookup claims_;
  DamagedRows damaged_;
  Cordons cordons_;
  DeviceLocks locks_;  ///< by the id of an operation
  OperationTable operations_;
  OriginalBindings originals_;
  OperationWaiters waiters_;
  DeviceView view_;
  DeviceReaders readers_;
  MemberSelection selection_;
  FactGatherer gatherer_;
  OperationRuns runs_;
  Recovery recovery_;
  Refusals refusals_;
  bool stopping_ = false;
};

}  // namespace devbindd::handoff
