// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/wanted_change.hpp"

#include "sysfs/kernel/driver_name.hpp"

namespace devbindd::handoff {

bool loses_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (!changes_binding(request) || !member.device.driver) return false;
  if (request.kind == ChangeKind::Restore && !member.original) return false;
  return wanted_driver(request, member) != member.device.driver->text();
}

bool wants_vfio(const ChangeRequest& request, const MemberFacts& member) {
  const auto wanted = wanted_driver(request, member);
  if (!wanted) return false;
  const auto name = sysfs::DriverName::parse(*wanted);
  return name && sysfs::is_vfio_driver(*name);
}

bool gets_another_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (member.device.driver) return loses_driver(request, member);
  if (!changes_binding(request) || (request.kind == ChangeKind::Restore && !member.original)) return false;
  return wanted_driver(request, member).has_value();
}

bool is_handed_over(const ChangeRequest& request) { return request.kind == ChangeKind::Bind && !request.claim.empty(); }

}  // namespace devbindd::handoff
