// SPDX-License-Identifier: Apache-2.0
// The devices as the kernel has them at this moment: the snapshot, kept fresh by uevents. What was known of a device
// that was removed is forgotten with it.
#pragma once

#include "handoff/operation/cordons.hpp"
#include "handoff/operation/original_bindings.hpp"

namespace devbindd::handoff {

class DeviceView {
 public:
  DeviceView(const EngineServices& services, const OperationTable& operations, OriginalBindings& originals,
             Cordons& cordons)
      : services_(services), operations_(operations), originals_(originals), cordons_(cordons) {}

  /// Takes in what uevents tell.
  void take(const sysfs::UeventBatch& batch);
  /// The same of those that wait.
  void take_waiting() { take(services_.drain_uevents()); }

  /// The same, and tells at once of what has changed: for whoever follows, while nobody asks.
  void look() { (void)current(); }

  /// The snapshot as the kernel has it now. Error: Kernel, when it cannot be read.
  sysfs::Result<const sysfs::Inventory*> current();
  /// The device at the address as the kernel has it now. Errors: DeviceNotFound; as current().
  sysfs::Result<sysfs::Device> find(const sysfs::PciAddress& address);

  /// Tells that the mounts or swap areas on these block devices are others than before.
  void tell_of_disks(const std::set<sysfs::DeviceNumber>& numbers) const;

  /// Counts what the network, and nodes of VFIO, have changed: two answers of one count say the same of them.
  std::uint64_t network_generation() const { return network_generation_; }
  std::uint64_t node_generation() const { return node_generation_; }

 private:
  void note_settling(bool news);
  void note_network(const sysfs::NetworkNews& news);
  void tell_of_network();
  void tell_of_devices();
  void tell_of_drift(const sysfs::DeviceChange& change);

  const EngineServices& services_;
  const OperationTable& operations_;
  OriginalBindings& originals_;
  Cordons& cordons_;
  std::uint64_t network_generation_ = 0;
  std::uint64_t node_generation_ = 0;
  sysfs::NetworkNews network_news_ = {};  ///< that are not told yet
  bool network_to_tell_ = false;
  std::chrono::steady_clock::time_point network_settled_ = {};  ///< when the last news are done
};

}  // namespace devbindd::handoff
