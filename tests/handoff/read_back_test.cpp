// SPDX-License-Identifier: Apache-2.0
// What the kernel shows after the steps of an operation, told from what the steps themselves said.
#include "handoff/operation/read_back.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::read_back_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;
using sysfs::StepKind;
using Addresses = std::vector<sysfs::PciAddress>;

StepRecord record(StepKind kind, std::string argument, StepState state, int errno_value = 0) {
  StepRecord made;
  made.planned.step = {kind, at(card), std::move(argument)};
  made.state = state;
  made.errno_value = errno_value;
  return made;
}

Operation failed(const std::string& address, std::string_view before) {
  auto made = operation("op", address, before, "vfio-pci", OperationState::Failed);
  made.error.emplace();
  made.error->error.code = ErrorCode::BindFailed;
  return made;
}

}  // namespace

TEST_CASE("A step took effect where the kernel shows it, whatever its write returned") {
  const auto kernel = usual_machine();
  const auto made = operation("op", card, "e1000e", "vfio-pci");
  const auto took = [&](const StepRecord& step) { return took_effect(*kernel, made, step); };
  CHECK(took(record(StepKind::Unbind, "e1000e", StepState::Done)));
  CHECK(took(record(StepKind::Bind, "e1000e", StepState::Failed, EIO)));  // it has that driver
  CHECK_FALSE(took(record(StepKind::Bind, "vfio-pci", StepState::Failed, EIO)));
  CHECK_FALSE(took(record(StepKind::Unbind, "e1000e", StepState::Failed, EIO)));  // it still has it
  CHECK_FALSE(took(record(StepKind::Bind, "e1000e", StepState::Pending)));
  CHECK(took(record(StepKind::SetVfSettings, "", StepState::Failed, EIO)));  // a part of them may be set
  CHECK_FALSE(took(record(StepKind::SetOverride, "vfio-pci", StepState::Failed, EIO)));
  CHECK(took(record(StepKind::SetOverride, "vfio-pci", StepState::Failed, ECHILD)));  // its worker died
  CHECK_FALSE(took(record(StepKind::AddId, "8086 10d3", StepState::AlreadyDone)));    // it is not ours
}

TEST_CASE("Writes that succeeded do not prove a driver, a node, or that a device is gone") {
  const auto kernel = usual_machine();
  const auto made = operation("op", card, "vfio-pci", "e1000e");
  CHECK_FALSE(unexpected_state(*kernel, made));
  const auto other = unexpected_state(*kernel, operation("op", card, "", "vfio-pci"));
  REQUIRE(other);
  CHECK(other->code == ErrorCode::BindFailed);
  CHECK(other->message ==
        "every write succeeded, but the kernel shows 'e1000e' for 0000:05:00.0 instead of 'vfio-pci'");
  auto vanishing = made;
  vanishing.transitions.front().there_after = false;
  REQUIRE(unexpected_state(*kernel, vanishing));
  CHECK(unexpected_state(*kernel, vanishing)->message.ends_with("0000:05:00.0 is still there"));
  kernel->remove_device(card);
  CHECK_FALSE(unexpected_state(*kernel, vanishing));
  CHECK(unexpected_state(*kernel, made)->code == ErrorCode::DeviceNotFound);
  CHECK(vanished_device(*kernel, made) == card);
}

TEST_CASE("After an undo, what is not as before is told from what could not be looked at and from what is gone") {
  const auto kernel = usual_machine();
  SECTION("all is as before") {
    auto made = failed(card, "e1000e");
    note_unrestored(*kernel, std::vector<std::string>{"(null)"}, {}, made);
    CHECK(made.error->restored == true);
    CHECK(made.error->undo_failures.empty());
    CHECK(made.error->error.code == ErrorCode::BindFailed);
  }
  SECTION("another driver, and another override") {
    auto made = failed(card, "igb");
    note_unrestored(*kernel, std::vector<std::string>{"vfio-pci"}, {}, made);
    CHECK(made.error->restored == false);
    CHECK(made.error->unrestored == Addresses{at(card)});
    CHECK(made.error->undo_failures ==
          std::vector<std::string>{"0000:05:00.0 has 'e1000e' now, and had 'igb' before",
                                   "the driver_override of 0000:05:00.0 is not what it was before"});
    CHECK(made.error->error.code == ErrorCode::RestoreFailed);
  }
  SECTION("an override that could not be read") {
    auto made = failed(card, "e1000e");
    note_unrestored(*kernel, sysfs::fail(ErrorCode::Overdue, "it hangs"), {}, made);
    CHECK_FALSE(made.error->restored);
    CHECK(made.error->unknown == Addresses{at(card)});
    CHECK(made.error->undo_failures ==
          std::vector<std::string>{"the driver_override of 0000:05:00.0 could not be read back: it hangs"});
    CHECK(made.error->error.code == ErrorCode::RestoreUnknown);
    CHECK_FALSE(made.error->next_step.empty());
  }
  SECTION("gone") {
    kernel->remove_device(card);
    auto made = failed(card, "e1000e");
    note_unrestored(*kernel, std::vector<std::string>{""}, {}, made);
    CHECK(made.error->restored == false);
    CHECK(made.error->unrestored.empty());
    CHECK(made.error->error.code == ErrorCode::DeviceGone);
  }
  SECTION("settings that were lost") {
    auto made = failed(card, "e1000e");
    made.transitions.front().vf_settings_before = "mac 00:00:00:00:00:01";
    note_unrestored(*kernel, std::vector<std::string>{"(null)"}, {at(card)}, made);
    CHECK(made.error->unrestored == Addresses{at(card)});
  }
}

}  // namespace devbindd::read_back_test
