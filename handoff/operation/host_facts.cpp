// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/host_facts.hpp"

#include <map>

#include "sysfs/device/pci_driver.hpp"
#include "sysfs/use/read_only_mount.hpp"

namespace devbindd::handoff {
namespace {

bool is_set(const sysfs::Tree& tree, const std::string& parameter) {
  return tree.read("sys/module/" + parameter).value_or("N") == "Y";
}

sysfs::Result<DriverFacts> look_up_driver(const EngineServices& services, const sysfs::DriverName& name) {
  DriverFacts driver;
  driver.registered = sysfs::driver_registered(services.tree, name);
  driver.module = sysfs::module_of_driver(name);
  if (driver.registered) return driver;
  auto state = sysfs::module_state(services.tree, services.modules, driver.module);
  if (!state) return std::unexpected(state.error());
  driver.module_state = *state;
  if (*state == sysfs::ModuleState::Blacklisted) driver.bans = sysfs::module_bans(services.tree, driver.module);
  return driver;
}

}  // namespace

Facts host_facts(const EngineServices& services) {
  Facts facts;
  facts.denylist_off = is_set(services.tree, "vfio_pci/parameters/disable_denylist");
  facts.vfio_sriov = is_set(services.tree, "vfio_pci/parameters/enable_sriov");
  facts.viability_rule = sysfs::viability_rule(services.tree);
  facts.group_time = sysfs::group_time(services.tree);
  facts.no_iommu_mode = is_set(services.tree, "vfio/parameters/enable_unsafe_noiommu_mode");
  // What a daemon that never writes tells is what one that does would do.
  if (!services.read_only) facts.read_only_sysfs = sysfs::read_only_sysfs(services.tree).value_or("");
  return facts;
}

sysfs::Result<> look_up_drivers(const EngineServices& services, std::vector<Part>& parts) {
  std::map<std::string, DriverFacts> known;
  for (auto& part : parts) {
    for (const auto& name : drivers_needed(part.request, part.facts.members)) {
      if (!known.contains(name.text())) {
        auto driver = look_up_driver(services, name);
        if (!driver) return std::unexpected(driver.error());
        known.emplace(name.text(), std::move(*driver));
      }
      part.facts.drivers.emplace(name.text(), known.at(name.text()));
    }
  }
  return {};
}

}  // namespace devbindd::handoff
