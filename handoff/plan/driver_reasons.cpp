// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/driver_reasons.hpp"

#include <algorithm>

#include "handoff/plan/forbidden_module.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {

std::optional<Evidence> match_evidence(const sysfs::DriverName& driver, const sysfs::PciAddress& address,
                                       const std::vector<std::string>& modules, const Facts& facts) {
  const auto& name = driver.text();
  if (is_userspace_driver(name) || name == "pci-stub") return std::nullopt;
  const auto known = facts.drivers.find(name);
  const bool loadable = known != facts.drivers.end() &&
                        (known->second.registered || known->second.module_state == sysfs::ModuleState::Loadable);
  if (!loadable) return std::nullopt;  // driver.absent says it all
  if (std::ranges::find(modules, sysfs::module_of_driver(driver)) != modules.end()) return std::nullopt;
  return Evidence{.code = "driver.no_match",
                  .severity = Severity::Block,
                  .acceptable = true,
                  .device = address,
                  .detail = "The driver '" + name + "' does not list this device among its IDs" +
                            (modules.empty() ? "." : " (drivers that do: " + sysfs::joined(modules, ", ") + ")."),
                  .next_step =
                      "Choose one of the candidates, or accept driver.no_match: a driver forced onto a "
                      "foreign device can crash the kernel."};
}

void check_driver(const std::string& driver, const sysfs::PciAddress* address, const Facts& facts,
                  std::vector<Evidence>& evidence) {
  const auto found = facts.drivers.find(driver);
  if (found == facts.drivers.end() || found->second.registered) return;
  const auto& module = found->second.module;
  Evidence item{.code = "driver.absent", .device = address != nullptr ? std::optional(*address) : std::nullopt};
  switch (found->second.module_state) {
    case sysfs::ModuleState::Loadable: return;
    case sysfs::ModuleState::Blacklisted:
      item.code = "driver.blacklisted";
      item.detail =
          "The module " + module + " of the driver '" + driver + "' is kept from being loaded" +
          (found->second.bans.empty() ? " by modprobe's configuration." : ": " + named(found->second.bans) + ".");
      item.next_step = step_against(module, found->second.bans);
      break;
    case sysfs::ModuleState::Loaded:
    case sysfs::ModuleState::BuiltIn:
      item.detail = "The module " + module + " is loaded, but no PCI driver '" + driver + "' is registered.";
      item.next_step = "Look at GET /v1/drivers for the exact name: a driver's name may differ from its module's.";
      break;
    case sysfs::ModuleState::Unknown:
      item.detail = "There is no PCI driver '" + driver + "', and no module " + module + " for the running kernel.";
      item.next_step = "Look at GET /v1/drivers for the drivers that are there, and check the spelling.";
      break;
  }
  evidence.push_back(std::move(item));
}

void check_match(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence) {
  if (request.kind != ChangeKind::Bind) return;
  const auto& driver = request.driver->text();
  const bool current = member.device.driver && member.device.driver->text() == driver;
  const bool earlier = member.original && member.original->driver == driver;
  if (current || earlier) return;
  if (auto item = match_evidence(*request.driver, member.device.address, member.candidate_modules, facts))
    evidence.push_back(std::move(*item));
}

void check_captures(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const bool adds_id =
      request.kind == ChangeKind::AddId || (request.kind == ChangeKind::Bind && request.method == Method::NewId);
  // The bare step is asked for in order to capture a device: only further ones come unasked.
  const std::size_t expected = request.kind == ChangeKind::AddId ? 1 : 0;
  if (!adds_id || facts.id_captures.size() <= expected) return;
  std::vector<std::string> names;
  for (const auto& address : facts.id_captures) names.push_back(sysfs::to_string(address));
  evidence.push_back(
      {.code = "driver.id_captures",
       .severity = Severity::Block,
       .acceptable = true,
       .device = request.address,
       .detail = "The new ID makes the driver take every unbound device of the same kind at once: " +
                 sysfs::joined(names, ", ") + ".",
       .next_step = "Use the driver_override method, which touches one device, or accept driver.id_captures."});
}

}  // namespace devbindd::handoff
