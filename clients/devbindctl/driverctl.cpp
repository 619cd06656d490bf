// SPDX-License-Identifier: Apache-2.0
// driverctl: its list-devices, list-overrides, set-override and unset-override, with its output.
#include <nlohmann/json.hpp>

#include "clients/api/targets.hpp"
#include "clients/devbindctl/change.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// Each device with its override; what the kernel is busy with has none that could be read.
Result<json> with_overrides(Session& session, const std::string& target) {
  auto devices = session.daemon.items(target);
  if (!devices) return devices;
  for (auto& device : *devices) {
    auto binding = session.daemon.document("/v1/devices/" + member(device, "address") + "/binding");
    if (!binding && binding.error().body.contains("device_not_found")) continue;
    if (!binding) return std::unexpected(binding.error());
    device["driver_override"] = (*binding)["driver_override"];
  }
  return devices;
}

std::string name_behind(const Session& session, const json& device) {
  return session.options.verbose ? " (" + printable(member(device, "device_name")) + ")" : "";
}

}  // namespace

Outcome list_devices(Session& session) {
  std::string target = "/v1/devices";
  if (!session.options.targets.empty()) target += "?category=" + escaped(session.options.targets.front());
  auto devices = with_overrides(session, target);
  if (!devices) return std::unexpected(devices.error());
  for (const auto& device : *devices) {
    const auto driver = member(device, "driver");
    session.output.write(member(device, "address") + " " + (driver.empty() ? "(none)" : driver) +
                         (member(device, "driver_override").empty() ? "" : " [*]") + name_behind(session, device) +
                         "\n");
  }
  return done();
}

Outcome list_overrides(Session& session) {
  auto devices = with_overrides(session, "/v1/devices");
  if (!devices) return std::unexpected(devices.error());
  for (const auto& device : *devices)
    if (!member(device, "driver_override").empty())
      session.output.write(member(device, "address") + " " + member(device, "driver_override") +
                           name_behind(session, device) + "\n");
  return done();
}

Outcome set_override(Session& session) {
  auto outcome = bind(session);
  if (outcome && session.output.for_person() && !session.options.dry_run)
    session.output.tell(
        "It is so until it is released or the host boots; a policy in /etc/devbindd/devbindd.json keeps it.\n");
  return outcome;
}

Outcome unset_override(Session& session) { return release(session); }

}  // namespace devbindd::clients
