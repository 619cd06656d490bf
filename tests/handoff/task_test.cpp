// SPDX-License-Identifier: Apache-2.0
// What a worker does with a task.
#include "handoff/worker/perform.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_ioctl.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::task_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using sysfs::StepKind;
using sysfs::StepOutcome;
using tests::FakeKernel;

struct Bench {
  Bench() {
    tests::add_usual_drivers(kernel);
    kernel.add_device({.address = "0000:05:00.0", .group = 1, .driver = "e1000e", .driver_override = "e1000e"});
    kernel.add_device({.address = "0000:06:00.0", .group = 2, .driver = "vfio-pci"});
  }
  template <class Work>
  ResultOf<Work> run(Work work) {
    return result_to<Work>(perform({.tree = kernel,
                                    .ioctl = ioctl,
                                    .modules = index,
                                    .access = access,
                                    .raise_locked_memory = [](auto, auto) -> sysfs::Result<> { return {}; }},
                                   {std::move(work)}, opened));
  }

  FakeKernel kernel;
  tests::FakeIoctl ioctl;
  std::vector<sysfs::FileDescriptor> opened;
  sysfs::ModuleIndex index{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  int access_changes = 0;
  vfio::NodeAccess access{.grant = [this](auto&&...) { return count_change(); },
                          .revoke = [this](auto&&...) { return count_change(); },
                          .who_has = [](const auto&, const auto& grantees) { return grantees; }};

 private:
  sysfs::Result<> count_change() {
    ++access_changes;
    return {};
  }
};

const sysfs::PciAddress card{0, 5, 0, 0};
const sysfs::PciAddress other{0, 6, 0, 0};
const sysfs::PciAddress absent{0, 0x44, 0, 0};

}  // namespace

TEST_CASE("A step is performed and told as done or as done already") {
  Bench bench;
  CHECK(bench.run(PerformStep{{StepKind::Bind, card, "e1000e"}}).value() == StepOutcome::AlreadyDone);
  CHECK(bench.run(PerformStep{{StepKind::Unbind, card, "e1000e"}}).value() == StepOutcome::Done);
  CHECK(bench.kernel.bindings().at("0000:05:00.0") == "- override e1000e");
  CHECK(bench.run(PerformStep{{StepKind::Unbind, card, "e1000e"}}).error().errno_value == ENODEV);
  CHECK(bench.run(PerformStep{{StepKind::AddId, {}, "vfio-pci 8086 0001"}}).value() == StepOutcome::Done);
}

TEST_CASE("Overrides are read one for each address, and a vanished device has none") {
  Bench bench;
  CHECK(bench.run(ReadOverrides{{card, absent, other}}).value() == std::vector<std::string>{"e1000e", "", "(null)"});
  CHECK(bench.run(ReadOverrides{}).value().empty());
}

TEST_CASE("Holders are told of each device that was asked for") {
  Bench bench;
  bench.kernel.open_device("0000:06:00.0", 77, "qemu");
  const vfio::HolderQuery query{.address = other, .group = 2, .vfio_device = "vfio0", .device_open = true};
  const vfio::HolderQuery idle{.address = card, .group = {}, .vfio_device = {}, .device_open = false};
  const auto holders = bench.run(FindHolders{{idle, query, idle}}).value();
  REQUIRE(holders.size() == 3);
  CHECK(holders[0].empty());
  CHECK(holders[1] == vfio::find_holders(bench.kernel, query).value());
  CHECK(holders[1].size() == 2);
  CHECK(holders[2].empty());
}

TEST_CASE("The usage of several devices by one task is that of each by its own") {
  Bench bench;
  const auto both = bench.run(FindUsage{{card, other}, {}}).value();
  std::vector<Usage> apart;
  for (const auto& address : {card, other}) apart.push_back(bench.run(FindUsage{{address}, {}}).value().front());
  CHECK(both == apart);
  CHECK_FALSE(bench.run(FindUsage{{card, absent}, {}}));
}

TEST_CASE("The facts of VFIO are the version and each extension with its answer") {
  Bench bench;
  bench.ioctl.expect({"open_container"});
  bench.ioctl.expect({"api_version"});
  for (unsigned long number = 1; number <= 10; ++number) bench.ioctl.expect({"check_extension", number, 1});
  const auto facts = bench.run(ReadVfioFacts{}).value();
  CHECK(facts.api_version == 0);
  REQUIRE(facts.extensions.size() == 10);
  CHECK(facts.extensions[0] == ReadVfioFacts::Extension{1, 1});
}

TEST_CASE("A task that no daemon gives is refused with EINVAL, and changes nothing") {
  Bench bench;
  const auto work = GENERATE(values<TaskWork>(
      {PerformStep{{StepKind::SetVfToken, std::nullopt, "token"}},
       PerformStep{{StepKind::SetVfSettings, std::nullopt, "trust on"}},
       PerformStep{{StepKind::SetVfSettings, card, "no settings"}},
       PerformStep{{StepKind::Bind, std::nullopt, "e1000e"}}, FindHolders{}, FindUsage{},
       ChangeAccess{AccessChange::Grant, {.uids = {1}, .gids = {}}, "/dev/sda"},
       ChangeAccess{AccessChange::Revoke, {}, "/dev/vfio/../sda"}, FindAccess{{}, "/etc/passwd"}, FindOwners{{""}, {}},
       FindOwners{{}, {""}}, RaiseLockedMemory{0, 1}, RaiseLockedMemory{-1, 1}}));
  INFO(work.index());
  const auto result = std::visit(
      [&bench](const auto& asked) -> sysfs::Result<> {
        const auto answer = bench.run(asked);
        if (!answer) return std::unexpected(answer.error());
        return {};
      },
      work);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().errno_value == EINVAL);
  CHECK(bench.kernel.writes().empty());
  CHECK(bench.access_changes == 0);
}

TEST_CASE("Access to nodes of VFIO and iommufd is changed and told") {
  Bench bench;
  const vfio::Grantees owners{.uids = {1000}, .gids = {44}};
  CHECK(bench.run(ChangeAccess{AccessChange::Grant, owners, "/dev/vfio/1"}));
  CHECK(bench.run(ChangeAccess{AccessChange::Revoke, owners, "/dev/iommu"}));
  CHECK(bench.access_changes == 2);
  CHECK(bench.run(FindAccess{owners, "/dev/vfio/1"}).value() == owners);
  CHECK(bench.run(RaiseLockedMemory{1, 1}));
}

TEST_CASE("Users and groups of this host are found by name, and others are not") {
  Bench bench;
  const auto found = bench.run(FindOwners{{"root", "no-such-user-here"}, {"root"}}).value();
  CHECK(found == FindOwners::Answer{.uids = {0, std::nullopt}, .gids = {0}});
}

TEST_CASE("Users and groups of this host have their names, and other numbers none") {
  Bench bench;
  const auto found = bench.run(NameOwners{{0, ~0U - 1}, {0, ~0U - 1}}).value();
  CHECK(found == NameOwners::Answer{.users = {"root", std::nullopt}, .groups = {"root", std::nullopt}});
}

TEST_CASE("A worker opens nodes of VFIO and iommufd and nothing else, all of them or none") {
  Bench bench;
  for (const auto* path : {"/dev/vfio/vfio", "/dev/iommu", "/dev/vfio/devices/vfio0"})
    bench.ioctl.expect({.name = "open_node", .path = path});
  CHECK(bench.run(OpenNodes{{"/dev/vfio/vfio", "/dev/iommu", "/dev/vfio/devices/vfio0"}}).has_value());
  CHECK(bench.opened.size() == 3);
  for (const auto* path : {"/dev/sda", "/dev/vfio/../sda", "/dev/iommu2", "/etc/shadow", ""}) {
    bench.opened.clear();
    CHECK(bench.run(OpenNodes{{path}}).error().errno_value == EINVAL);
    CHECK(bench.opened.empty());
  }
  bench.ioctl.expect({.name = "open_node", .path = "/dev/vfio/vfio"});
  bench.ioctl.expect({.name = "open_node", .errno_value = EBUSY, .path = "/dev/vfio/1"});
  CHECK(bench.run(OpenNodes{{"/dev/vfio/vfio", "/dev/vfio/1"}}).error().errno_value == EBUSY);
  CHECK(bench.opened.empty());
}

}  // namespace devbindd::task_test
