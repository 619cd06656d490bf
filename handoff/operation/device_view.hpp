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

  /// The snapshot as the kernel has it now. Error: Kernel, when it cannot be read.
  sysfs::Result<const sysfs::Inventory*> current();
  /// The device at the address as the kernel has it now. Errors: DeviceNotFound; as current().
  sysfs::Result<sysfs::Device> find(const sysfs::PciAddress& address);

 private:
  const EngineServices& services_;
  const OperationTable& operations_;
  OriginalBindings& originals_;
  Cordons& cordons_;
};

}  // namespace devbindd::handoff
