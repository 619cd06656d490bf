// SPDX-License-Identifier: Apache-2.0
// Policies out of what other tools of this host have been told: driverctl's overrides, and the IDs that vfio-pci gets
// as a module parameter. For an administrator to read and to put into the configuration; nothing is put in force by it.
// Not here: warnings about those tools (other_tools.hpp).
#pragma once

#include <string>
#include <vector>

#include "handoff/model/policy.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::handoff {

struct PolicyImport {
  std::vector<Policy> policies;
  std::vector<std::string> left_out;  ///< what no policy can say, a sentence each
};

/// Of /etc/driverctl.d/pci-ADDRESS, of `options vfio-pci ids=` in modprobe.d, and of vfio-pci.ids= on the kernel
/// command line. The last `ids` is the one that counts; where vfio-pci is built in, that is the command line's.
/// Source: drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids: vendor:device[:subvendor[:subdevice[:class[:mask]]]];
/// kernel/params.c, parse_args; libkmod for modprobe.d.
PolicyImport import_policies(const sysfs::Tree& tree, const sysfs::ModuleIndex& index);

/// The "policies" of a configuration file that say this.
std::string configuration_of(const std::vector<Policy>& policies);

}  // namespace devbindd::handoff
