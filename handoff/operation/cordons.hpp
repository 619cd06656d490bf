// SPDX-License-Identifier: Apache-2.0
// Devices that get no new claims: an administrator is about to service them, or does not trust them. Kept by the
// journal, over restarts and reboots. Claims that are there go on, and bindings are not touched. Not here: what refuses
// the claim (verdict.hpp).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "handoff/journal/journal.hpp"
#include "handoff/model/cordon.hpp"
#include "handoff/operation/damaged_rows.hpp"
#include "handoff/operation/engine_services.hpp"
#include "sysfs/device/device.hpp"

namespace devbindd::handoff {

class Cordons {
 public:
  /// Takes over what an earlier daemon has kept; a row that cannot be read is set aside.
  Cordons(const EngineServices& services, DamagedRows& damaged);

  using Done = std::function<void(sysfs::Result<>)>;

  /// In force at once; `done` comes when it is on disk. Error: JournalFailed, and then it is not in force.
  void set(const sysfs::Device& device, std::string reason, Requester requester, Done done);
  /// As set().
  void clear(const sysfs::PciAddress& address, Done done);

  /// As clear(), of a device that is gone: the next one at the address is another one. Where it is not cordoned nothing
  /// is done, and `done` is not called.
  void forget(const sysfs::PciAddress& address, Done done);

  bool contains(const sysfs::PciAddress& address) const { return cordons_.contains(address); }
  /// Counts those that were set or cleared.
  std::uint64_t generation() const { return generation_; }
  /// nullptr where the device is not cordoned.
  const Cordon* find(const sysfs::Device& device) const;

 private:
  void tell(const sysfs::PciAddress& address, std::string_view state);

  const EngineServices& services_;
  Journal& journal_;
  std::uint64_t generation_ = 0;
  std::map<sysfs::PciAddress, Cordon> cordons_;
};

}  // namespace devbindd::handoff
