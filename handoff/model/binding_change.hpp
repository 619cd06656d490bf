// SPDX-License-Identifier: Apache-2.0
// What a change of bindings does to devices: how they were, the writes, and how they are to be afterwards.
// Not here: how it is decided (plan/plan.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/request.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/step.hpp"

namespace devbindd::handoff {

/// What a device looked like before devbindd first touched it: what a give-back restores.
struct Original {
  sysfs::PciAddress address;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::optional<std::string> driver;
  std::optional<std::string> driver_override;
  std::optional<std::string> vf_settings = {};  ///< of a VF, as sysfs/device/vf_settings.hpp writes them
  Scope scope = Scope::Device;                  ///< of the request that touched it first
  std::string operation;                        ///< id of that operation
  std::optional<std::uint64_t> inode = {};      ///< as sysfs::Device has it; nullopt: of a daemon before this one

  bool operator==(const Original&) const = default;
};

/// A record of the device's identity, without what was there.
Original original_for(const sysfs::Device& device);

/// Whether the record was made for this very device and not for another one at the same address, be it of the same
/// make.
bool same_identity(const Original& original, const sysfs::Device& device);

struct PlannedStep {
  sysfs::Step step;
  std::vector<sysfs::Step> undo;  ///< in the order in which they are performed
  bool may_fail = false;          ///< a refusal is told, and the change goes on
  bool absent_is_done = false;    ///< of RemoveId: an ID that is not there counts as removed

  bool operator==(const PlannedStep&) const = default;
};

/// How many VFs a PF has, and whether drivers take new ones by themselves.
struct FunctionsState {
  unsigned count = 0;
  bool autoprobe = true;

  bool operator==(const FunctionsState&) const = default;
};

/// A device's state before the plan and the one that proves its success.
struct Transition {
  sysfs::PciAddress address;
  std::optional<std::string> driver_before;
  std::optional<std::string> override_before;
  std::optional<std::string> driver_after;
  std::optional<std::string> override_after;
  bool there_before = true;
  bool there_after = true;
  bool remade = false;                                  ///< a VF that the operation destroys or creates, or both
  bool kernel_chooses = false;                          ///< which driver it has afterwards
  std::optional<std::string> vf_settings_before = {};   ///< of a VF
  std::optional<std::string> vf_settings_after = {};    ///< nullopt: not this operation's business
  std::optional<FunctionsState> functions_before = {};  ///< of a PF
  std::optional<FunctionsState> functions_after = {};   ///< of a PF whose number of VFs is changed
};

}  // namespace devbindd::handoff
