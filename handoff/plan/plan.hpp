// SPDX-License-Identifier: Apache-2.0
// The planner: a pure function from what the kernel says and what is asked to the exact writes, each with its undo, and
// the evidence against them. The plan is what dry_run shows, what the journal stores, what is executed, what tests
// assert.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/binding_change.hpp"
#include "handoff/model/evidence.hpp"
#include "handoff/model/request.hpp"
#include "handoff/model/rule_outcome.hpp"
#include "handoff/usage/other_tools.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/device/sriov.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/kernel/module_bans.hpp"
#include "sysfs/kernel/step.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::handoff {

/// A VF that somebody has open through VFIO.
struct OpenFunction {
  sysfs::PciAddress address;
  std::vector<vfio::Holder> holders;

  bool operator==(const OpenFunction&) const = default;
};

struct MemberFacts {
  sysfs::Device device = {};
  bool override_known = true;  ///< false: the read of driver_override hangs in the kernel
  std::optional<std::string> driver_override = {};
  std::vector<vfio::Holder> holders = {};
  std::string holders_missing = {};  ///< why nobody can say who has it open, "" where that is known
  std::optional<Original> original = {};
  std::vector<sysfs::Use> uses = {};                ///< how the host uses it, when a driver of the host has it
  bool uses_known = true;                           ///< false: that could not be found out in time
  std::vector<RuleOutcome> rules = {};              ///< what was looked at for `uses`
  std::vector<OpenFunction> open_vfs = {};          ///< of a PF
  std::optional<sysfs::Sriov> sriov = {};           ///< of a PF
  std::optional<std::string> vf_settings = {};      ///< of a VF; nullopt: it has none, or they cannot be read
  std::string vf_settings_missing = {};             ///< of a PF or VF: why they could not be read
  std::vector<std::string> candidate_modules = {};  ///< modules whose aliases match it
  std::vector<OtherTool> other_tools = {};          ///< that move it by themselves
  std::optional<std::string> cordoned = {};         ///< why it gets no new claims
  bool to_vanish = false;                           ///< a VF that SetVfs destroys, if only to make others
  std::string claimed_by = {};                      ///< id of a claim that holds it, "" for none or the request's own
};

struct DriverFacts {
  bool registered = false;
  std::string module;
  sysfs::ModuleState module_state = sysfs::ModuleState::Unknown;
  std::vector<sysfs::ModuleBan> bans = {};  ///< of one that is blacklisted: by what, as far as that is found
};

struct Facts {
  std::vector<MemberFacts> members;            ///< those that the request changes
  std::vector<sysfs::Device> bystanders;       ///< the rest of their IOMMU groups
  std::map<std::string, DriverFacts> drivers;  ///< of every driver that the request may need, by name
  std::vector<sysfs::PciAddress> id_captures;  ///< unbound devices outside `members` that a new ID would capture
  sysfs::ViabilityRule viability_rule = sysfs::ViabilityRule::DmaOwnership;
  bool denylist_off = false;                  ///< vfio-pci's disable_denylist is on
  std::optional<sysfs::Sriov> sriov = {};     ///< SetVfs: of the PF; nullopt: it has none
  bool autoprobe_taken = false;               ///< SetVfs: devbindd itself has turned it off, for VFs without a driver
  std::vector<std::string> function_modules;  ///< SetVfs: modules whose aliases match its VFs
  bool vfio_sriov = false;                    ///< vfio-pci's enable_sriov is on: it lets its PFs have VFs
  sysfs::GroupTime group_time = sysfs::GroupTime::WhenFound;  ///< Never: no IOMMU is in use
  bool no_iommu_mode = false;                                 ///< vfio's enable_unsafe_noiommu_mode is on
  std::string read_only_sysfs = {};  ///< the mount point that keeps every write from the kernel; "" for none
};

struct Plan {
  std::vector<Evidence> evidence;
  std::vector<LookedAt> looked_at;  ///< for the evidence, of each member
  std::vector<PlannedStep> steps;   ///< empty: the wanted state is there already
  std::vector<Transition> transitions;
};

/// The driver that a member is to have afterwards; nullopt: none, or left as it is (Restore without a record).
/// A bridge of a group that goes to VFIO is only freed of a driver that keeps the group from being viable.
std::optional<std::string> wanted_driver(const ChangeRequest& request, const MemberFacts& member);

/// The addresses that the request changes, given its target and the target's group. Bridges of a group stay as they
/// are, except where the group goes to VFIO and a bridge's driver (shpchp) would keep it from being viable.
std::vector<sysfs::PciAddress> affected_devices(const ChangeRequest& request, const sysfs::Device& target,
                                                const std::vector<sysfs::Device>& group,
                                                const std::map<sysfs::PciAddress, Original>& originals);

/// Every driver whose facts plan() may need.
std::vector<sysfs::DriverName> drivers_needed(const ChangeRequest& request, const std::vector<MemberFacts>& members);

/// Pure. Order of the writes in a group: every override, then every unbind, then every bind; undo in reverse.
/// Source of the order: kernel.md "recommended sequences"; drivers/base/bus.c, drivers/pci/pci-driver.c.
Plan plan(const ChangeRequest& request, const Facts& facts);

/// Whether the driver hands devices to user space (VFIO or UIO): its override stays set while it has the device.
bool is_userspace_driver(const std::string& driver);

}  // namespace devbindd::handoff
