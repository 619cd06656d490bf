// SPDX-License-Identifier: Apache-2.0
// A task of every kind with an answer to it, with bytes and numbers at their bounds.
#pragma once

#include <cerrno>
#include <limits>
#include <string>
#include <vector>

#include "handoff/worker/task.hpp"

namespace devbindd::tests {

/// Bytes that a text form might stumble over.
inline const std::string odd = std::string("a\0b\xff\n =!,", 9);

struct TaskSample {
  handoff::TaskWork work;
  handoff::TaskResult answer;
};

template <class Work>
TaskSample sample(Work work, typename Work::Answer answer) {
  return {std::move(work), handoff::result_of<Work>(std::move(answer))};
}

inline std::vector<TaskSample> task_samples() {
  using namespace handoff;
  using sysfs::StepKind;
  using sysfs::StepOutcome;
  const sysfs::PciAddress card{0, 5, 0, 0};
  const sysfs::PciAddress last{0xffffffff, 0xff, 31, 7};
  const vfio::Grantees owners{.uids = {0, 1000, std::numeric_limits<unsigned>::max()}, .gids = {44}};
  const sysfs::VfSettings told{.mac = {{0x52, 0x54, 0, 0, 0, 0xff}},
                               .vlan = {{.id = 4095, .priority = 7, .protocol = 0x88a8}},
                               .rates = {{.least = 1, .most = 100'000}},
                               .spoof_check = true,
                               .state = 2,
                               .trust = false,
                               .query_rss = true};
  const Usage used = {.uses = {{sysfs::UseKind::DefaultRoute, {"eth0", odd}, odd, {}},
                               {sysfs::UseKind::Firmware, {}, "", {{-1, odd, ""}, {7, "dd", "/dev/sda"}}}},
                      .rules = {{"addresses", Outcome::Found, ""}, {odd, Outcome::NotVisible, "why"}}};
  const vfio::HolderQuery query{.address = last, .group = 0, .vfio_device = odd, .device_open = true};
  const vfio::HolderQuery idle{.address = card, .group = {}, .vfio_device = {}, .device_open = false};
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{0xff}, std::byte{'\n'}};
  return {
      sample(PerformStep{{StepKind::LoadModule, std::nullopt, odd}}, StepOutcome::Done),
      sample(PerformStep{{StepKind::Reset, last, std::string(100'000, 'x')}}, StepOutcome::AlreadyDone),
      sample(ReadOverrides{}, {}),
      sample(ReadOverrides{{card, last}}, {"", odd}),
      sample(FindHolders{{query, idle}}, {{{7, odd, "/dev/vfio/0", true}, {-1, "", "", false}}, {}}),
      sample(ReadVfioFacts{}, {.api_version = -1, .extensions = {{std::numeric_limits<unsigned long>::max(), -1}}}),
      sample(ReadAttributes{card, {odd, "irq"}}, {{"irq", {odd, ""}}, {"power/control", {"", "EIO"}}}),
      sample(ProbeVfio{{vfio::ProbeWay::Cdev, odd, "/dev/vfio/1", true}, ProbeScope::Iommu},
             {{"region/3", EINVAL, bytes}, {"", 0, {}}}),
      sample(ReadConfig{card}, {.bytes = bytes, .file_size = std::numeric_limits<std::size_t>::max()}),
      sample(ReadVpd{last}, bytes),
      sample(FindUsage{{card, last}, odd}, {used, {}}),
      sample(FindUsage{{card}, std::nullopt}, {}),
      sample(ChangeAccess{AccessChange::Revoke, owners, "/dev/iommu"}, {}),
      sample(FindAccess{owners, odd}, owners),
      sample(FindOwners{{odd, "vmm"}, {"kvm"}}, {.uids = {std::nullopt, 0}, .gids = {~0U}}),
      sample(NameOwners{{~0U, 0}, {36}}, {.users = {std::nullopt, "root"}, .groups = {odd}}),
      sample(RaiseLockedMemory{-1, std::numeric_limits<std::uint64_t>::max()}, {}),
      sample(ReadVfSettings{card}, {{card, told}, {last, {}}}),
      sample(OpenNodes{{"/dev/vfio/vfio", odd}}, {}),
      sample(ReadAlternativeNames{}, {{"eth0", {"enp5s0", odd}}, {"eth1", {}}}),
  };
}

}  // namespace devbindd::tests
