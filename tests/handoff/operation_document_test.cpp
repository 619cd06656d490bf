// SPDX-License-Identifier: Apache-2.0
// An operation and its document: what the journal keeps of it is all of it.
#include "handoff/journal/operation_document.hpp"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "handoff/journal/json.hpp"
#include "handoff/journal/rows.hpp"
#include "tests/catch2.hpp"

namespace devbindd::operation_document_test {

namespace {

using namespace devbindd::handoff;
using sysfs::StepKind;

sysfs::PciAddress at(const char* text) { return sysfs::parse_pci_address(text).value(); }

const TimePoint noon = time_from("2026-11-22T12:00:00.250Z").value();

StepRecord record(StepKind kind, const char* address, std::string argument, StepState state) {
  StepRecord record;
  record.planned.step = {kind, at(address), std::move(argument)};
  record.state = state;
  record.started_at = noon;
  return record;
}

Operation operation_with_everything() {
  Operation operation;
  operation.id = "5a8c7f1e-0000-4000-8000-000000000001";
  operation.boot_id = "boot";
  operation.request.kind = ChangeKind::Bind;
  operation.request.address = at("0000:01:00.0");
  operation.request.driver = sysfs::DriverName::parse("vfio-pci").value();
  operation.request.scope = Scope::Group;
  operation.request.method = Method::NewId;
  operation.request.claim = "c1";
  operation.request.accept_risks = {"net.default_route"};
  operation.requester = {.transport = "unix", .uid = 1000, .pid = 77};
  operation.requester.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  operation.state = OperationState::Failed;
  operation.created_at = noon;
  operation.finished_at = noon + std::chrono::milliseconds(1500);
  operation.steps = {record(StepKind::Unbind, "0000:01:00.0", "e1000e", StepState::Undone),
                     record(StepKind::AddId, "0000:01:00.0", "vfio-pci 8086 10d3", StepState::Failed),
                     record(StepKind::SetOverride, "0000:01:00.1", "vfio-pci", StepState::Skipped),
                     record(StepKind::SetNumVfs, "0000:01:00.0", "4", StepState::Pending)};
  operation.steps[0].planned.undo = {{StepKind::Bind, at("0000:01:00.0"), "e1000e"}};
  operation.steps[1].finished_at = noon + std::chrono::seconds(1);
  operation.steps[1].errno_value = EBUSY;
  operation.steps[1].message = "the write failed";
  operation.transitions = {{.address = at("0000:01:00.0"),
                            .driver_before = "e1000e",
                            .override_before = {},
                            .driver_after = "vfio-pci",
                            .override_after = "vfio-pci"}};
  operation.transitions[0].functions_before = FunctionsState{2, false};
  operation.evidence = {{.code = "node.open",
                         .severity = Severity::Warn,
                         .acceptable = true,
                         .device = at("0000:01:00.0"),
                         .detail = "it is open",
                         .next_step = "close it",
                         .path = {"eth0", "bond0"},
                         .processes = {{.pid = 12, .command = "qemu", .path = "/dev/vfio/3", .certain = false}}}};
  operation.looked_at = {{at("0000:01:00.0"), {{"routes", Outcome::Found, ""}, {"maps", Outcome::NotVisible, "why"}}}};
  operation.blocked = Blockage{.step = 1, .since = noon, .worker_pid = 99, .wait_channel = "vfio_wait", .holders = {}};
  operation.error.emplace();
  operation.error->error = {sysfs::ErrorCode::RestoreFailed, "it failed", EBUSY};
  operation.error->step = operation.steps[1].planned.step;
  operation.error->meaning = "somebody has it";
  operation.error->next_step = "look";
  operation.error->restored = false;
  operation.error->undo_failures = {"one", "two"};
  operation.error->unrestored = {at("0000:01:00.0")};
  operation.error->unknown = {at("0000:01:00.1")};
  operation.error->kernel_log = {"a line"};
  return operation;
}

// What is read back gives the same document.
void check_same(const Operation& operation) {
  const auto read = operation_of(row_of(operation));
  REQUIRE(read);
  CHECK(to_json(*read) == to_json(operation));
}

}  // namespace

TEST_CASE("All of an operation comes back from the journal's row") {
  auto operation = operation_with_everything();
  check_same(operation);
  operation.error->restored.reset();
  operation.error->kernel_log_readable = false;
  operation.error->error.errno_value = 9999;  // one without a name
  check_same(operation);
  operation.error.reset();
  operation.blocked.reset();
  operation.finished_at.reset();
  operation.state = OperationState::Running;
  check_same(operation);
}

TEST_CASE("The request of virtual functions and that of several items come back") {
  auto operation = operation_with_everything();
  operation.request = {};
  operation.request.kind = ChangeKind::SetVfs;
  operation.request.address = at("0000:01:00.0");
  operation.request.functions = VirtualFunctions{.count = 3, .kernel_chooses = false, .autoprobe = true};
  check_same(operation);
  ChangeRequest item;
  item.kind = ChangeKind::Restore;
  item.address = at("0000:01:00.1");
  item.scope = Scope::Device;
  operation.request = {};
  operation.request.kind = ChangeKind::Transaction;
  operation.request.items = {item, item};
  check_same(operation);
}

TEST_CASE("Every name of a state, of an error and of an errno leads back") {
  for (int number = 0; number <= static_cast<int>(sysfs::ErrorCode::Kernel); ++number) {
    const auto code = static_cast<sysfs::ErrorCode>(number);
    CHECK(sysfs::error_code_named(sysfs::name_of(code)) == code);
  }
  for (int number = 0; number <= static_cast<int>(StepState::Unknown); ++number)
    CHECK(step_state_named(name_of(static_cast<StepState>(number))) == static_cast<StepState>(number));
  for (const int value : {EPERM, EBUSY, ENODEV, ETIMEDOUT, 9999})
    CHECK(sysfs::errno_named(sysfs::errno_name(value)) == value);
  CHECK_FALSE(sysfs::error_code_named("no_such_code"));
  CHECK_FALSE(step_state_named(""));
  CHECK(sysfs::errno_named("NONE") == 0);
}

TEST_CASE("What is wrong with a damaged row of an operation is said") {
  auto row = row_of(operation_with_everything());
  const auto document = std::exchange(row.document, "{");
  CHECK(operation_of(row).error() == "it is no JSON object");
  row.document = document;
  row.id = "another";
  CHECK(operation_of(row).error() == "/id is that of another");
}

}  // namespace devbindd::operation_document_test
