// SPDX-License-Identifier: Apache-2.0
// What a worker does, and what not, whoever asks: each task is looked at again on the side that has the rights. The
// process that parses HTTP is trusted to plan, and with nothing else. Not here: who gives permits (keeper.hpp).
#pragma once

#include "handoff/worker/perform.hpp"
#include "handoff/worker/permit_table.hpp"

namespace devbindd::handoff {

/// What the task names has the form that it must have: drivers, attributes and nodes are names and no other paths.
/// Error: Kernel with EINVAL.
sysfs::Result<> check_form(const TaskWork& work);

/// A permit names what the task changes or opens: the device, or the PF that it is a VF of; the ID that a driver is to
/// be given; a device behind the node. A module is one of a PCI driver or of VFIO. Tasks that only look need none, and
/// neither does one that takes access away. Error: Kernel with EPERM.
sysfs::Result<> check_permitted(const Kernel& kernel, const Permits& permits, const TaskWork& work);

}  // namespace devbindd::handoff
