// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/pci_driver.hpp"

#include <algorithm>
#include <cerrno>

#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {

Result<PciDriver> read_driver(const Tree& tree, const DriverName& name) {
  auto entries = tree.list(paths::driver(name));
  if (!entries) {
    if (entries.error().errno_value != ENOENT) return std::unexpected(entries.error());
    return fail(ErrorCode::DriverNotFound, "no PCI driver '" + name.text() + "' is registered with the kernel", 0,
                "/" + paths::driver(name));
  }
  PciDriver driver{.name = name, .module = std::nullopt, .devices = {}, .bindable = false};
  for (const auto& entry : *entries) {
    if (const auto address = parse_pci_address(entry)) driver.devices.push_back(*address);
    if (entry == "bind") driver.bindable = true;
  }
  std::ranges::sort(driver.devices);
  if (const auto module = link_name(tree, paths::driver_file(name, "module")); module && *module) {
    driver.module = **module;
  }
  return driver;
}

Result<std::vector<DriverName>> list_drivers(const Tree& tree) {
  auto entries = tree.list(paths::drivers);
  if (!entries) return std::unexpected(entries.error());
  std::vector<DriverName> names;
  for (const auto& entry : *entries) {
    if (auto name = DriverName::parse(entry)) names.push_back(*name);
  }
  return names;
}

bool driver_registered(const Tree& tree, const DriverName& name) { return exists(tree, paths::driver(name)); }

}  // namespace devbindd::sysfs
