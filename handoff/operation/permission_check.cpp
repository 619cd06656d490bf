// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/permission_check.hpp"

namespace devbindd::handoff {

std::optional<Refusal> beyond_permission(const ChangeRequest& request, const Requester& requester) {
  if (!requester.permission || request.ends_claim) return std::nullopt;
  for (const auto& part : parts_of(request)) {
    if (auto denied = denied_request(*requester.permission, part)) return refusal_for(std::move(*denied));
  }
  return std::nullopt;
}

std::optional<Refusal> beyond_permission(const std::vector<Part>& parts, const Requester& requester,
                                         const LabelsOf& labels_of) {
  if (!requester.permission) return std::nullopt;
  for (const auto& part : parts) {
    if (part.request.ends_claim) continue;
    std::vector<const sysfs::Device*> devices;
    for (const auto& member : part.facts.members) devices.push_back(&member.device);
    if (auto denied = denied_devices(*requester.permission, devices, labels_of)) return refusal_for(std::move(*denied));
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
