// SPDX-License-Identifier: Apache-2.0
// The PCI drivers that are registered now (below /sys/bus/pci/drivers) and the devices bound to each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct PciDriver {
  DriverName name;
  std::optional<std::string> module;  ///< nullopt: built in without a module directory
  std::vector<PciAddress> devices;    ///< bound now, ascending
  bool bindable = false;              ///< has bind and unbind files (suppress_bind_attrs drivers have none)

  bool operator==(const PciDriver&) const = default;
};

/// Errors: DriverNotFound, Kernel.
Result<PciDriver> read_driver(const Tree& tree, const DriverName& name);

/// Names that are valid driver names, sorted. Errors: Kernel.
Result<std::vector<DriverName>> list_drivers(const Tree& tree);

/// Whether a driver of that name is registered now.
bool driver_registered(const Tree& tree, const DriverName& name);

}  // namespace devbindd::sysfs
