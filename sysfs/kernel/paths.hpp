// SPDX-License-Identifier: Apache-2.0
// Every sysfs path the project uses, built from typed values only. Relative to the root, for Tree.
#pragma once

#include <string>

#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::sysfs::paths {

inline const std::string devices = "sys/bus/pci/devices";
inline const std::string drivers = "sys/bus/pci/drivers";
inline const std::string iommu_groups = "sys/kernel/iommu_groups";
inline const std::string modules = "sys/module";

inline std::string device(const PciAddress& address) { return devices + "/" + to_string(address); }
inline std::string attribute(const PciAddress& address, std::string_view name) {
  return device(address) + "/" + std::string(name);
}
inline std::string driver(const DriverName& name) { return drivers + "/" + name.text(); }
inline std::string driver_file(const DriverName& name, std::string_view file) {
  return driver(name) + "/" + std::string(file);
}
inline std::string iommu_group(unsigned number) { return iommu_groups + "/" + std::to_string(number); }

}  // namespace devbindd::sysfs::paths
