// SPDX-License-Identifier: Apache-2.0
// The members of everything that travels between the daemon, its keeper and a worker, in their order on the wire: each
// is taken apart by name, so that a new member does not compile until it is sent too. And the last value of each
// enumeration.
#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>

#include "handoff/worker/keeper_wire.hpp"
#include "handoff/worker/task.hpp"

namespace devbindd::handoff::wire {

template <class T, class Type>
concept Is = std::same_as<std::remove_const_t<T>, Type>;

// What has no members.
template <class T>
requires std::is_empty_v<T>
constexpr std::tuple<> members(T&) { return {}; }

constexpr auto members(Is<sysfs::Step> auto& value) {
  auto& [kind, address, argument] = value;
  return std::tie(kind, address, argument);
}
constexpr auto members(Is<vfio::HolderQuery> auto& value) {
  auto& [address, group, vfio_device, device_open] = value;
  return std::tie(address, group, vfio_device, device_open);
}
constexpr auto members(Is<vfio::Holder> auto& value) {
  auto& [pid, command, path, certain] = value;
  return std::tie(pid, command, path, certain);
}
constexpr auto members(Is<vfio::ProbeQuery> auto& value) {
  auto& [way, address, node, no_iommu] = value;
  return std::tie(way, address, node, no_iommu);
}
constexpr auto members(Is<vfio::RawAnswer> auto& value) {
  auto& [question, errno_value, bytes] = value;
  return std::tie(question, errno_value, bytes);
}
constexpr auto members(Is<vfio::Grantees> auto& value) {
  auto& [uids, gids] = value;
  return std::tie(uids, gids);
}
constexpr auto members(Is<sysfs::ConfigSpace> auto& value) {
  auto& [bytes, file_size] = value;
  return std::tie(bytes, file_size);
}
constexpr auto members(Is<sysfs::VfVlan> auto& value) {
  auto& [id, priority, protocol] = value;
  return std::tie(id, priority, protocol);
}
constexpr auto members(Is<sysfs::VfRates> auto& value) {
  auto& [least, most] = value;
  return std::tie(least, most);
}
constexpr auto members(Is<sysfs::VfSettings> auto& value) {
  auto& [mac, vlan, rates, spoof_check, state, trust, query_rss] = value;
  return std::tie(mac, vlan, rates, spoof_check, state, trust, query_rss);
}
constexpr auto members(Is<sysfs::Process> auto& value) {
  auto& [pid, command, path] = value;
  return std::tie(pid, command, path);
}
constexpr auto members(Is<sysfs::Use> auto& value) {
  auto& [kind, path, subject, processes] = value;
  return std::tie(kind, path, subject, processes);
}
constexpr auto members(Is<RuleOutcome> auto& value) {
  auto& [rule, outcome, reason] = value;
  return std::tie(rule, outcome, reason);
}
constexpr auto members(Is<Usage> auto& value) {
  auto& [uses, rules] = value;
  return std::tie(uses, rules);
}
constexpr auto members(Is<Attribute> auto& value) {
  auto& [content, error] = value;
  return std::tie(content, error);
}
constexpr auto members(Is<ReadVfioFacts::Extension> auto& value) {
  auto& [number, answer] = value;
  return std::tie(number, answer);
}
constexpr auto members(Is<ReadVfioFacts::Answer> auto& value) {
  auto& [api_version, extensions] = value;
  return std::tie(api_version, extensions);
}
constexpr auto members(Is<FindOwners::Answer> auto& value) {
  auto& [uids, gids] = value;
  return std::tie(uids, gids);
}
constexpr auto members(Is<NameOwners::Answer> auto& value) {
  auto& [users, groups] = value;
  return std::tie(users, groups);
}
constexpr auto members(Is<sysfs::Error> auto& value) {
  auto& [code, message, errno_value, path] = value;
  return std::tie(code, message, errno_value, path);
}

template <class T>
concept HasOneMember = Is<T, PerformStep> || Is<T, ReadOverrides> || Is<T, FindHolders> || Is<T, ReadConfig> ||
    Is<T, ReadVpd> || Is<T, ReadVfSettings> || Is<T, OpenNodes> || Is<T, StartWorker> || Is<T, WithdrawPermit> ||
    Is<T, EndWorker> || Is<T, KeepCdiFiles>;
template <class T>
concept HasTwoMembers = Is<T, ReadAttributes> || Is<T, ProbeVfio> || Is<T, FindUsage> || Is<T, FindAccess> ||
    Is<T, FindOwners> || Is<T, RaiseLockedMemory> || Is<T, NameOwners> || Is<T, PutCdiFile> || Is<T, KeeperAnswer>;

constexpr auto members(HasOneMember auto& value) {
  auto& [first] = value;
  return std::tie(first);
}
constexpr auto members(HasTwoMembers auto& value) {
  auto& [first, second] = value;
  return std::tie(first, second);
}
constexpr auto members(Is<ChangeAccess> auto& task) {
  auto& [change, grantees, path] = task;
  return std::tie(change, grantees, path);
}

constexpr auto members(Is<Greeting> auto& value) {
  auto& [version, pid, configuration] = value;
  return std::tie(version, pid, configuration);
}
constexpr auto members(Is<Permit> auto& value) {
  auto& [number, subject, devices, ids] = value;
  return std::tie(number, subject, devices, ids);
}

template <class Enumeration>
constexpr Enumeration last_of = Enumeration::NoLastIsKnown;
template <>
inline constexpr auto last_of<sysfs::StepKind> = sysfs::StepKind::Reset;
template <>
inline constexpr auto last_of<sysfs::StepOutcome> = sysfs::StepOutcome::AlreadyDone;
template <>
inline constexpr auto last_of<sysfs::UseKind> = sysfs::UseKind::Firmware;
template <>
inline constexpr auto last_of<Outcome> = Outcome::NotVisible;
template <>
inline constexpr auto last_of<vfio::ProbeWay> = vfio::ProbeWay::Cdev;
template <>
inline constexpr auto last_of<ProbeScope> = ProbeScope::Iommu;
template <>
inline constexpr auto last_of<AccessChange> = AccessChange::Revoke;
template <>
inline constexpr auto last_of<sysfs::ErrorCode> = sysfs::ErrorCode::Kernel;

}  // namespace devbindd::handoff::wire
