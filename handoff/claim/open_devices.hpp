// SPDX-License-Identifier: Apache-2.0
// Which devices of a claim somebody has open. Not here: how processes are looked through (vfio/holders.hpp).
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

struct OpenDevices {
  std::vector<vfio::Holder> holders = {};  ///< who is seen to have one open
  std::set<sysfs::PciAddress> open = {};   ///< which are, by whomever
};

/// `done` gets everybody that is seen to have a device of the claim open, and whether one is open at all. Too many
/// processes to look through in time: the enable count still tells. Error: Kernel, when devices cannot be read.
void find_open_devices(Engine& engine, const Claim& claim, const Asker& asker,
                       std::function<void(sysfs::Result<OpenDevices>)> done);

/// Whether a group of the claim is open that no process is seen to have. A descriptor of a group, as it is passed from
/// one process to another, is in none. Where the device stays on VFIO it would outlive the claim: whoever takes it then
/// has the next owner's device. A group is open once at a time. A group of which a device is in `leaving` goes to its
/// own driver, and is not viable any more. Source: vfio_group_fops_open() in drivers/vfio/group.c.
void find_hidden_users(Engine& engine, const Claim& claim, const std::set<sysfs::PciAddress>& leaving,
                       std::function<void(bool hidden)> done);

}  // namespace devbindd::handoff
