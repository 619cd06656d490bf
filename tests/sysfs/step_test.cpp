// SPDX-License-Identifier: Apache-2.0
// The primitive steps: what each writes, what comes of it, and what its errnos mean.
#include "sysfs/kernel/step.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::step_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::add_usual_drivers;
using devbindd::tests::FakeKernel;

const PciAddress card{0, 5, 0, 0};
const std::vector kinds = {StepKind::LoadModule, StepKind::SetOverride, StepKind::ClearOverride, StepKind::Unbind,
                           StepKind::Bind,       StepKind::Probe,       StepKind::AddId,         StepKind::RemoveId};

struct Machine : FakeKernel {
  Machine() {
    add_usual_drivers(*this);
    add_device({.address = "0000:05:00.0", .group = 1, .driver = "e1000e"});
  }
  int errno_of(const Step& step) {
    const auto done = perform(*this, step);
    return done ? 0 : done.error().errno_value;
  }
};

}  // namespace

TEST_CASE("Every kind of step writes one value to one file") {
  struct Row {
    Step step;
    std::string path;
    std::string value;
  };
  const auto row = GENERATE(values<Row>({
      {{StepKind::LoadModule, {}, "vfio_pci"}, "modprobe", "vfio_pci"},
      {{StepKind::SetOverride, card, "vfio-pci"}, "/sys/bus/pci/devices/0000:05:00.0/driver_override", "vfio-pci"},
      {{StepKind::ClearOverride, card, ""}, "/sys/bus/pci/devices/0000:05:00.0/driver_override", "\n"},
      {{StepKind::Unbind, card, "e1000e"}, "/sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"},
      {{StepKind::Bind, card, "vfio-pci"}, "/sys/bus/pci/drivers/vfio-pci/bind", "0000:05:00.0"},
      {{StepKind::Probe, card, ""}, "/sys/bus/pci/drivers_probe", "0000:05:00.0"},
      {{StepKind::AddId, {}, "vfio-pci 8086 10d3"}, "/sys/bus/pci/drivers/vfio-pci/new_id", "8086 10d3"},
      {{StepKind::AddId, {}, "my driver 8086 10d3"}, "/sys/bus/pci/drivers/my driver/new_id", "8086 10d3"},
      {{StepKind::RemoveId, {}, "vfio-pci 8086 10d3"}, "/sys/bus/pci/drivers/vfio-pci/remove_id", "8086 10d3"},
  }));
  const auto write = write_of(row.step);
  CHECK(write.path == row.path);
  CHECK(write.value == row.value);
}

TEST_CASE("Every kind of step has a name of its own that leads back to it") {
  for (const auto kind : kinds) CHECK(step_kind_named(name_of(kind)) == kind);
  CHECK_FALSE(step_kind_named("format_disk"));
  CHECK_FALSE(step_kind_named(""));
}

TEST_CASE("The steps of a change move a device") {
  Machine machine;
  CHECK(perform(machine, {StepKind::SetOverride, card, "vfio-pci"}).value() == StepOutcome::Done);
  CHECK(perform(machine, {StepKind::Unbind, card, "e1000e"}).value() == StepOutcome::Done);
  CHECK(perform(machine, {StepKind::Bind, card, "vfio-pci"}).value() == StepOutcome::Done);
  CHECK(machine.bindings().at("0000:05:00.0") == "vfio-pci override vfio-pci");
  CHECK(perform(machine, {StepKind::ClearOverride, card, ""}).value() == StepOutcome::Done);
  CHECK(machine.bindings().at("0000:05:00.0") == "vfio-pci override -");
}

TEST_CASE("Binding what is bound already is done without a write") {
  Machine machine;
  CHECK(perform(machine, {StepKind::Bind, card, "e1000e"}).value() == StepOutcome::AlreadyDone);
  CHECK(machine.writes().empty());
}

TEST_CASE("An ID that the driver has already is done, and another failure is not") {
  Machine machine;
  CHECK(perform(machine, {StepKind::AddId, {}, "e1000e 8086 10d3"}).value() == StepOutcome::AlreadyDone);
  CHECK(perform(machine, {StepKind::AddId, {}, "vfio-pci 8086 10d3"}).value() == StepOutcome::Done);
  CHECK(perform(machine, {StepKind::AddId, {}, "vfio-pci 8086 10d3"}).value() == StepOutcome::AlreadyDone);
  CHECK(perform(machine, {StepKind::RemoveId, {}, "vfio-pci 8086 10d3"}).value() == StepOutcome::Done);
  CHECK(machine.errno_of({StepKind::RemoveId, {}, "vfio-pci 8086 10d3"}) == ENODEV);
}

TEST_CASE("What the kernel answers to a wrong step is told as it is") {
  Machine machine;
  const PciAddress nowhere{0, 0x44, 0, 0};
  CHECK(machine.errno_of({StepKind::Unbind, card, "igb"}) == ENODEV);
  CHECK(machine.errno_of({StepKind::Unbind, nowhere, "igb"}) == ENODEV);
  CHECK(machine.errno_of({StepKind::Bind, card, "vfio-pci"}) == ENODEV);  // it does not match
  CHECK(machine.errno_of({StepKind::Bind, card, "nouveau"}) == ENOENT);
  REQUIRE(perform(machine, {StepKind::SetOverride, card, "vfio-pci"}));
  CHECK(machine.errno_of({StepKind::Bind, card, "vfio-pci"}) == EBUSY);
  REQUIRE(perform(machine, {StepKind::ClearOverride, card, ""}));
  CHECK(machine.errno_of({StepKind::SetOverride, nowhere, "igb"}) == ENOENT);
  CHECK(machine.errno_of({StepKind::Probe, nowhere, ""}) == ENODEV);
  REQUIRE(perform(machine, {StepKind::Unbind, card, "e1000e"}));
  CHECK(machine.errno_of({StepKind::Bind, card, "vfio-pci"}) == ENODEV);
  CHECK(machine.errno_of({StepKind::Probe, card, ""}) == 0);
  CHECK(machine.device("0000:05:00.0").driver == "e1000e");
}

TEST_CASE("A step with nothing to write reaches no kernel") {
  Machine machine;
  const auto step = GENERATE(values<Step>({{StepKind::SetOverride, card, ""},
                                           {StepKind::Unbind, {}, "e1000e"},
                                           {StepKind::Bind, {}, "e1000e"},
                                           {StepKind::AddId, {}, "e1000e"},
                                           {StepKind::AddId, {}, ""},
                                           {StepKind::LoadModule, {}, "vfio_pci"},
                                           {StepKind::LoadModule, {}, ""},
                                           {StepKind::Probe, {}, ""}}));
  CHECK(machine.errno_of(step) != 0);
  CHECK(machine.writes().empty());
}

TEST_CASE("Every errno of every step has a meaning and something to do about it") {
  const auto errno_value = GENERATE(EPERM, ENOENT, EIO, EAGAIN, ENOMEM, EACCES, EBUSY, EEXIST, ENODEV, EINVAL, EROFS,
                                    ETIMEDOUT, ENOTTY, ECHILD, 0, 9999);
  for (const auto kind : kinds) {
    for (const std::string argument : {"vfio-pci", "e1000e", ""}) {
      CAPTURE(name_of(kind), argument, errno_value);
      const auto meaning = meaning_of({kind, card, argument}, errno_value);
      CHECK_FALSE(meaning.meaning.empty());
      CHECK_FALSE(meaning.next_step.empty());
    }
  }
}

TEST_CASE("EINVAL of a bind says more when the driver is VFIO's") {
  const auto vfio = meaning_of({StepKind::Bind, card, "mlx5_vfio_pci"}, EINVAL);
  CHECK(vfio.meaning.find("IOMMU") != std::string::npos);
  CHECK(meaning_of({StepKind::Bind, card, "e1000e"}, EINVAL).meaning != vfio.meaning);
}

}  // namespace devbindd::step_test
