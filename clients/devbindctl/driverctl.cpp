// SPDX-License-Identifier: Apache-2.0
// driverctl: its list-devices, list-overrides, set-override and unset-override, with its output.
#include <nlohmann/json.hpp>

#include "clients/api/targets.hpp"
#include "clients/devbindctl/change.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// An override that the kernel does not tell is told beside the list, which has the form of driverctl's.
void tell_unread(const Session& session, const json& devices) {
  for (const auto& device : devices)
    if (const auto reason = member(device, "driver_override_error"); !reason.empty())
      session.output.tell(member(device, "address") + ": " + printable(reason) + "\n");
}

std::string name_behind(const Session& session, const json& device) {
  return session.options.verbose ? " (" + printable(member(device, "device_name")) + ")" : "";
}

}  // namespace

Outcome list_devices(Session& session) {
  std::string target = "/v1/devices?fields=address,driver,device_name,driver_override,driver_override_error";
  if (!session.options.targets.empty()) target += "&category=" + escaped(session.options.targets.front());
  auto devices = session.daemon.items(target);
  if (!devices) return std::unexpected(devices.error());
  for (const auto& device : *devices) {
    const auto driver = member(device, "driver");
    session.output.write(member(device, "address") + " " + (driver.empty() ? "(none)" : driver) +
                         (member(device, "driver_override").empty() ? "" : " [*]") + name_behind(session, device) +
                         "\n");
  }
  tell_unread(session, *devices);
  return done();
}

Outcome list_overrides(Session& session) {
  auto devices = session.daemon.items("/v1/devices?driver_override=any");
  if (!devices) return std::unexpected(devices.error());
  for (const auto& device : *devices)
    if (!member(device, "driver_override").empty())
      session.output.write(member(device, "address") + " " + member(device, "driver_override") +
                           name_behind(session, device) + "\n");
  tell_unread(session, *devices);
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
