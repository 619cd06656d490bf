// SPDX-License-Identifier: Apache-2.0
// What a worker refuses whoever asks: names that are paths, and devices that no permit names.
#include <cerrno>

#include "handoff/worker/permit_check.hpp"
#include "tests/catch2.hpp"
#include "tests/fake_ioctl.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::permit_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::Step;
using sysfs::StepKind;

sysfs::PciAddress at(std::string_view text) { return sysfs::parse_pci_address(text).value(); }

const auto card = at("0000:05:00.0");
const auto other = at("0000:06:00.0");

struct Machine {
  Machine() {
    kernel.add_device({.address = sysfs::to_string(card), .group = 5, .driver = "vfio-pci"});
    kernel.add_device({.address = sysfs::to_string(other), .group = 6, .driver = "e1000e"});
  }

  sysfs::Result<> check(const TaskWork& work) const {
    return check_permitted({.tree = kernel, .ioctl = ioctl, .modules = modules}, PermitView(table.memory()), work);
  }
  int errno_of(const TaskWork& work) const {
    const auto done = check(work);
    return done ? 0 : done.error().errno_value;
  }

  mutable FakeKernel kernel;
  FakeIoctl ioctl;
  sysfs::ModuleIndex modules;
  PermitTable table{PermitMemory::create().value()};
};

const std::vector<StepKind>& steps_of_a_device() {
  static const std::vector<StepKind> all = {
      StepKind::SetOverride,  StepKind::ClearOverride, StepKind::Unbind,        StepKind::Bind,      StepKind::Probe,
      StepKind::SetAutoprobe, StepKind::SetVfToken,    StepKind::SetVfSettings, StepKind::SetNumVfs, StepKind::Reset};
  return all;
}

}  // namespace

TEST_CASE("Without a permit a worker changes nothing, with one for another device neither") {
  Machine machine;
  for (const auto kind : steps_of_a_device()) {
    INFO(sysfs::name_of(kind));
    CHECK(machine.errno_of(PerformStep{Step{kind, card, "x"}}) == EPERM);
  }
  REQUIRE(machine.table.give({.number = 1, .subject = "operation 1", .devices = {other}}));
  for (const auto kind : steps_of_a_device()) CHECK(machine.errno_of(PerformStep{Step{kind, card, "x"}}) == EPERM);
  REQUIRE(machine.table.give({.number = 2, .subject = "operation 2", .devices = {card}}));
  for (const auto kind : steps_of_a_device()) CHECK(machine.errno_of(PerformStep{Step{kind, card, "x"}}) == 0);
  machine.table.withdraw(2);
  for (const auto kind : steps_of_a_device()) CHECK(machine.errno_of(PerformStep{Step{kind, card, "x"}}) == EPERM);
}

TEST_CASE("A node is opened where a permit names a device behind it") {
  Machine machine;
  const TaskWork own = OpenNodes{{"/dev/vfio/5"}};
  const TaskWork foreign = OpenNodes{{"/dev/vfio/5", "/dev/vfio/6"}};
  const TaskWork grant = ChangeAccess{AccessChange::Grant, {{1000}, {}}, "/dev/vfio/5"};
  const TaskWork probe =
      ProbeVfio{{.way = vfio::ProbeWay::Group, .address = "0000:05:00.0", .node = "/dev/vfio/5"}, ProbeScope::Device};
  const TaskWork raise = RaiseLockedMemory{.pid = 7, .bytes = 1};
  for (const auto& work : {own, foreign, grant, probe, raise, TaskWork(OpenNodes{{"/dev/vfio/vfio"}})})
    CHECK(machine.errno_of(work) == EPERM);
  CHECK(machine.errno_of(ChangeAccess{AccessChange::Revoke, {{1000}, {}}, "/dev/vfio/5"}) == 0);
  REQUIRE(machine.table.give({.number = 1, .subject = "claim 1", .devices = {card}}));
  for (const auto& work : {own, grant, probe, raise, TaskWork(OpenNodes{{"/dev/vfio/vfio"}})})
    CHECK(machine.errno_of(work) == 0);
  CHECK(machine.errno_of(foreign) == EPERM);
  CHECK(machine.errno_of(ProbeVfio{{.way = vfio::ProbeWay::Group, .address = "0000:05:00.0", .node = "/dev/vfio/6"},
                                   ProbeScope::Device}) == EPERM);
}

TEST_CASE("An ID is a driver's where a permit names it, and a module is one of PCI drivers") {
  Machine machine;
  const TaskWork add = PerformStep{Step{StepKind::AddId, std::nullopt, "vfio-pci 8086 10d3"}};
  const TaskWork another = PerformStep{Step{StepKind::AddId, std::nullopt, "vfio-pci 8086 10d4"}};
  const TaskWork vfio = PerformStep{Step{StepKind::LoadModule, std::nullopt, "vfio_pci"}};
  const TaskWork stranger = PerformStep{Step{StepKind::LoadModule, std::nullopt, "dummy"}};
  for (const auto& work : {add, another, vfio, stranger}) CHECK(machine.errno_of(work) == EPERM);
  REQUIRE(machine.table.give({.number = 1, .subject = "operation 1", .devices = {card}, .ids = {"8086 10d3"}}));
  CHECK(machine.errno_of(add) == 0);
  CHECK(machine.errno_of(another) == EPERM);
  CHECK(machine.errno_of(vfio) == 0);
  CHECK(machine.errno_of(stranger) == EPERM);
}

TEST_CASE("Tasks that look need no permit") {
  const Machine machine;
  CHECK(machine.check(ReadOverrides{{card}}));
  CHECK(machine.check(ReadConfig{card}));
  CHECK(machine.check(FindUsage{{card}, {}}));
  CHECK(machine.check(FindAccess{{{1000}, {}}, "/dev/vfio/5"}));
}

TEST_CASE("A name that is a path is no name") {
  const std::vector<TaskWork> bad = {
      PerformStep{Step{StepKind::Unbind, card, "../../../../etc"}},
      PerformStep{Step{StepKind::Bind, card, "a/b"}},
      PerformStep{Step{StepKind::SetOverride, card, ""}},
      PerformStep{Step{StepKind::Bind, std::nullopt, "vfio-pci"}},
      PerformStep{Step{StepKind::AddId, std::nullopt, "../x 8086 10d3"}},
      PerformStep{Step{StepKind::AddId, std::nullopt, "vfio-pci"}},
      PerformStep{Step{StepKind::SetNumVfs, card, "4 "}},
      PerformStep{Step{StepKind::SetAutoprobe, card, "2"}},
      PerformStep{Step{StepKind::Reset, std::nullopt, ""}},
      ReadAttributes{card, {"../../../../etc/shadow"}},
      ReadAttributes{card, {"/etc/shadow"}},
      ReadAttributes{card, {""}},
      ChangeAccess{AccessChange::Grant, {}, "/dev/vfio/../sda"},
      ChangeAccess{AccessChange::Revoke, {}, "/dev/vfio/"},
      OpenNodes{{"/dev/vfio/5", "/dev/mem"}},
      OpenNodes{{"/dev/vfio/devices/vfio"}},
      ProbeVfio{{.address = "0000:05:00.0", .node = "/dev/kvm"}, ProbeScope::Device},
      ProbeVfio{{.address = "..", .node = "/dev/vfio/5"}, ProbeScope::Device},
      RaiseLockedMemory{.pid = 0, .bytes = 1},
  };
  for (std::size_t index = 0; index < bad.size(); ++index) {
    INFO(index);
    const auto checked = check_form(bad[index]);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().errno_value == EINVAL);
  }
  const std::vector<TaskWork> good = {
      PerformStep{Step{StepKind::Unbind, card, "vfio-pci"}},
      PerformStep{Step{StepKind::AddId, std::nullopt, "vfio-pci 8086 10d3"}},
      PerformStep{Step{StepKind::SetNumVfs, card, "4"}},
      PerformStep{Step{StepKind::ClearOverride, card, ""}},
      ReadAttributes{card, {"power/runtime_status", "config"}},
      OpenNodes{{"/dev/vfio/5", "/dev/vfio/noiommu-0", "/dev/vfio/devices/vfio3", "/dev/iommu"}},
  };
  for (const auto& work : good) CHECK(check_form(work));
}

TEST_CASE("Two permits for one device end one after the other") {
  Machine machine;
  const PermitView view(machine.table.memory());
  REQUIRE(machine.table.give({.number = 1, .subject = "claim 1", .devices = {card}}));
  REQUIRE(machine.table.give({.number = 2, .subject = "operation 1", .devices = {card, card}}));
  CHECK(machine.table.give({.number = 2, .subject = "again", .devices = {other}}).error().errno_value == EEXIST);
  machine.table.withdraw(1);
  machine.table.withdraw(1);
  CHECK(view.has_device(card));
  CHECK(view.devices() == std::vector{card});
  machine.table.withdraw(2);
  CHECK_FALSE(view.has_device(card));
  CHECK(view.devices().empty());
}

TEST_CASE("A permit for too much is none, and leaves nothing behind") {
  Machine machine;
  const PermitView view(machine.table.memory());
  CHECK(machine.table.give({.number = 1, .subject = "x", .devices = {card}, .ids = {"8086"}}).error().errno_value ==
        EINVAL);
  CHECK_FALSE(view.has_device(card));
  std::uint64_t number = 1;
  const auto many = [&](std::uint32_t domain) {
    Permit permit{.number = ++number, .subject = "many"};
    for (unsigned bus = 0; bus < 16; ++bus) {
      for (unsigned slot = 0; slot < 32; ++slot) {
        for (unsigned function = 0; function < 8; ++function) {
          permit.devices.push_back({.domain = domain,
                                    .bus = static_cast<std::uint8_t>(bus),
                                    .slot = static_cast<std::uint8_t>(slot),
                                    .function = static_cast<std::uint8_t>(function)});
        }
      }
    }
    return permit;
  };
  for (std::uint32_t domain = 0; domain < 4; ++domain) REQUIRE(machine.table.give(many(domain)));
  const auto full = many(4);
  CHECK(machine.table.give(full).error().code == sysfs::ErrorCode::TooBusy);
  CHECK_FALSE(view.has_device(full.devices.front()));
  machine.table.withdraw(number - 1);  // of domain 3
  CHECK(machine.table.give(many(4)));
}

TEST_CASE("Another process sees the permits, and cannot write them") {
  Machine machine;
  const auto seen = PermitMemory::view(machine.table.memory().descriptor()).value();
  REQUIRE(machine.table.give({.number = 1, .subject = "claim 1", .devices = {card}, .ids = {"8086 10d3"}}));
  CHECK(PermitView(seen).has_device(card));
  CHECK(PermitView(seen).has_id("8086 10d3"));
  CHECK_FALSE(PermitView(seen).has_id("8086 10d4"));
  CHECK_FALSE(PermitView(seen).has_id("nonsense"));
}

}  // namespace devbindd::permit_test
