// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/decision.hpp"

#include <algorithm>
#include <array>

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

// A give-back of what devbindd did not bind.
bool lacks_original(const Part& part) {
  const auto& members = part.facts.members;
  const auto known = [](const MemberFacts& member) { return member.original.has_value(); };
  const auto on_vfio = [](const MemberFacts& member) { return sysfs::is_vfio_bound(member.device); };
  return part.request.kind == ChangeKind::Restore && std::ranges::none_of(members, known) &&
         std::ranges::any_of(members, on_vfio);
}

constexpr std::array<std::string_view, 9> even_if_unchanged = {
    "device.stuck",      "device.cordoned", "sriov.absent",   "sriov.too_many",     "sriov.no_driver",
    "sriov.vfs_enabled", "sriov.vf_in_use", "sriov.vf_token", "sriov.settings_lost"};

// Says no even where the wanted state is there already.
bool always_refuses(const ChangeRequest& request, const Evidence& item) {
  const bool counts_functions = request.kind == ChangeKind::SetVfs;  // whose claims are no news to who made them
  return std::ranges::find(even_if_unchanged, item.code) != even_if_unchanged.end() ||
         (item.code == "claim.held" && !counts_functions) || (item.code == "vfio.open" && !request.claim.empty());
}

}  // namespace

Refusal refusal_for(sysfs::Error error) { return Refusal{std::move(error), {}, {}}; }

Refusal in_the_way(const std::string& holder) {
  const bool probe = holder == probe_holder;
  return Refusal{{ErrorCode::OperationInProgress,
                  (probe ? holder : "operation " + holder) + " works on this device or its IOMMU group"},
                 {},
                 probe ? std::string{} : holder};
}

std::expected<Plan, Decision> decide(const ChangeRequest& request, const std::vector<Part>& parts, bool dry_run) {
  const auto unknown = std::ranges::find_if(parts, lacks_original);
  if (unknown != parts.end()) {
    return std::unexpected(refusal_for(
        {ErrorCode::NothingToRestore, "devbindd did not bind " + sysfs::to_string(*unknown->request.address) +
                                          " and does not know what was there before: ask for the driver by PUT"}));
  }
  auto made = plan(parts);
  auto refused_by = blocking(made.evidence, request.accept_risks);
  if (dry_run) return std::unexpected(Preview{std::move(made), std::move(refused_by)});
  const auto refuses = [&request](const Evidence& item) { return always_refuses(request, item); };
  if (made.steps.empty() && std::ranges::none_of(refused_by, refuses)) {
    return std::unexpected(Unchanged{std::move(made)});
  }
  if (refused_by.empty()) return made;
  auto detail = refused_by.front().detail;
  if (refused_by.size() > 1) detail += " (and more: see blockers)";
  return std::unexpected(
      Refusal{{ErrorCode::Refused, std::move(detail)}, std::move(refused_by), {}, std::move(made.looked_at)});
}

}  // namespace devbindd::handoff
