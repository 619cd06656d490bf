// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <utility>

#include "handoff/worker/owner_names.hpp"
#include "handoff/worker/performers.hpp"
#include "vfio/node_name.hpp"

namespace devbindd::handoff {
namespace {

// What a worker may open to others: VFIO's nodes and iommufd's.
bool is_grantable(std::string_view path) { return vfio::node_named(path).has_value(); }

using LookUp = sysfs::Result<std::optional<unsigned>>(const std::string&);

sysfs::Result<std::vector<std::optional<unsigned>>> numbers_of(const std::vector<std::string>& names, LookUp* look_up) {
  std::vector<std::optional<unsigned>> numbers;
  for (const auto& name : names) {
    const auto number = name.empty() ? malformed("owners") : look_up(name);
    if (!number) return std::unexpected(number.error());
    numbers.push_back(*number);
  }
  return numbers;
}

using NameOf = sysfs::Result<std::optional<std::string>>(unsigned);

sysfs::Result<std::vector<std::optional<std::string>>> names_of(const std::vector<unsigned>& numbers, NameOf* look_up) {
  std::vector<std::optional<std::string>> names;
  for (const auto number : numbers) {
    auto name = look_up(number);
    if (!name) return std::unexpected(name.error());
    names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace

ResultOf<ChangeAccess> perform(const Kernel& kernel, const ChangeAccess& task) {
  if (!is_grantable(task.path)) return malformed("access");
  const auto& change = task.change == AccessChange::Grant ? kernel.access.grant : kernel.access.revoke;
  if (auto done = change(task.path, task.grantees); !done) return std::unexpected(done.error());
  return NoAnswer{};
}

ResultOf<FindAccess> perform(const Kernel& kernel, const FindAccess& task) {
  if (!is_grantable(task.path)) return malformed("access");
  return kernel.access.who_has(task.path, task.grantees);
}

ResultOf<OpenNodes> perform(const Kernel& kernel, const OpenNodes& task, std::vector<sysfs::FileDescriptor>& opened) {
  if (!std::ranges::all_of(task.paths, is_grantable)) return malformed("node");
  for (const auto& path : task.paths) {
    auto node = kernel.ioctl.open_node(path);
    if (!node) {
      opened.clear();
      return std::unexpected(node.error());
    }
    opened.push_back(std::move(*node));
  }
  return NoAnswer{};
}

ResultOf<FindOwners> perform(const Kernel&, const FindOwners& task) {
  auto uids = numbers_of(task.users, user_id);
  if (!uids) return std::unexpected(uids.error());
  auto gids = numbers_of(task.groups, group_id);
  if (!gids) return std::unexpected(gids.error());
  return FindOwners::Answer{std::move(*uids), std::move(*gids)};
}

ResultOf<NameOwners> perform(const Kernel&, const NameOwners& task) {
  auto users = names_of(task.uids, user_name);
  if (!users) return std::unexpected(users.error());
  auto groups = names_of(task.gids, group_name);
  if (!groups) return std::unexpected(groups.error());
  return NameOwners::Answer{std::move(*users), std::move(*groups)};
}

ResultOf<RaiseLockedMemory> perform(const Kernel& kernel, const RaiseLockedMemory& task) {
  if (task.pid <= 0) return malformed("limit");
  if (auto raised = kernel.raise_locked_memory(task.pid, task.bytes); !raised) return std::unexpected(raised.error());
  return NoAnswer{};
}

}  // namespace devbindd::handoff
