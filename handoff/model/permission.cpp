// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/permission.hpp"

#include <algorithm>

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

bool lists(const std::optional<std::vector<std::string>>& names, const std::string& name) {
  return !names || std::ranges::find(*names, name) != names->end();
}

sysfs::Error denied(const Permission& permission, ErrorCode code, const std::string& what) {
  return {code, permission.holder + " " + what};
}

}  // namespace

bool covers(const Permission& permission, const sysfs::Device& device, const Labels& labels) {
  return !permission.devices || std::ranges::any_of(*permission.devices, [&](const Selector& selector) {
    return fits(selector, device) && has_labels(labels, selector.labels);
  });
}

std::optional<sysfs::Error> denied_devices(const Permission& permission,
                                           const std::vector<const sysfs::Device*>& devices,
                                           const LabelsOf& labels_of) {
  for (const auto* device : devices) {
    if (covers(permission, *device, labels_of ? labels_of(*device) : Labels{})) continue;
    return denied(permission, ErrorCode::DeviceForbidden,
                  "does not cover " + sysfs::to_string(device->address) + ": it needs a rule whose \"devices\" fit it");
  }
  return std::nullopt;
}

std::optional<sysfs::Error> denied_request(const Permission& permission, const ChangeRequest& request) {
  if (request.driver && !lists(permission.drivers, request.driver->text()))
    return denied(
        permission, ErrorCode::DriverForbidden,
        "does not cover the driver " + request.driver->text() + ": it needs a rule whose \"drivers\" name it");
  for (const auto& risk : request.accept_risks) {
    if (!lists(permission.risks, risk))
      return denied(permission, ErrorCode::RiskForbidden,
                    "may not accept the risk " + risk + ": it needs a rule whose \"risks\" name it");
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
