// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/vfio_driver.hpp"

namespace devbindd::handoff {

sysfs::DriverName default_vfio_driver() { return sysfs::DriverName::parse("vfio-pci").value(); }

sysfs::DriverName best_vfio_driver(const sysfs::ModuleIndex& index, const std::string& modalias) {
  const auto colon = modalias.find(':');
  if (colon == std::string::npos) return default_vfio_driver();
  for (const auto& module : sysfs::modules_for(index, "vfio_pci" + modalias.substr(colon))) {
    if (module == "vfio_pci") continue;
    // All but one are named as their module.
    if (auto name = sysfs::DriverName::parse(module == "xe_vfio_pci" ? "xe-vfio-pci" : module)) return *name;
  }
  return default_vfio_driver();
}

}  // namespace devbindd::handoff
