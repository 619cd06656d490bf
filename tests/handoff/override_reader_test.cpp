// SPDX-License-Identifier: Apache-2.0
// Reading overrides through workers: never a hang, and never twice at a device that hangs.
#include "handoff/worker/override_reader.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/reader_bench.hpp"

namespace devbindd::override_reader_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

using Bench = ReaderBench<OverrideReader, OverrideAnswers, std::vector<sysfs::PciAddress>>;

const std::string hanging_file = "sys/bus/pci/devices/0000:05:00.0/driver_override";
const auto hanging = at("0000:05:00.0");
const auto other = at("0000:07:00.2");

}  // namespace

TEST_CASE("Every address gets its answer") {
  Bench bench;
  const auto answers = bench.read({hanging, other, at("0000:44:00.0")});
  CHECK(answers.size() == 3);
  CHECK(answers.at(hanging).value() == std::nullopt);
  CHECK(answers.at(other).value() == "nvme");
  CHECK(answers.at(at("0000:44:00.0")).value() == std::nullopt);
}

TEST_CASE("Nothing asked is nothing answered, at once") {
  Bench bench;
  bool called = false;
  bench.reader.read({}, somebody, [&called](const OverrideAnswers& answers) { called = answers.empty(); });
  CHECK(called);
  CHECK(bench.workers.tasks().empty());
}

TEST_CASE("A device whose read hangs is told as overdue and not asked again until it answers") {
  Bench bench;
  bench.kernel->block(hanging_file);
  auto answers = bench.read({hanging, other});
  CHECK(answers.at(hanging).error().code == sysfs::ErrorCode::Overdue);
  CHECK(answers.at(other).value() == "nvme");
  const auto asked = bench.workers.tasks().size();
  CHECK(bench.read({hanging}).at(hanging).error().code == sysfs::ErrorCode::Overdue);
  CHECK(bench.workers.tasks().size() == asked);

  bench.kernel->unblock(hanging_file);
  bench.workers.resume();
  bench.settle();
  CHECK(bench.read({hanging}).at(hanging).value() == std::nullopt);
}

TEST_CASE("Two readers of one hanging device both get their answer") {
  Bench bench;
  bench.kernel->block(hanging_file);
  int answered = 0;
  for (int count = 0; count < 2; ++count) {
    bench.reader.read({hanging}, somebody, [&answered](const OverrideAnswers& answers) {
      answered += answers.at(hanging).error().code == sysfs::ErrorCode::Overdue ? 1 : 0;
    });
  }
  run_until(bench.io, [&answered] { return answered == 2; });
  bench.kernel->unblock(hanging_file);
  bench.workers.resume();
  bench.settle();
  CHECK(answered == 2);
  CHECK(bench.read({hanging}).at(hanging).value() == std::nullopt);
}

TEST_CASE("A failed read is that address's error alone") {
  int asked = 0;
  OverrideReader reader([&asked](const Task&, const TaskCallbacks& callbacks) {
    // Both by one task, then each by its own.
    callbacks.on_result(++asked <= 2 ? TaskResult(sysfs::fail(sysfs::ErrorCode::Kernel, "no", EAGAIN))
                                     : result_of<ReadOverrides>(std::vector<std::string>{"vfio-pci"}));
  });
  std::optional<OverrideAnswers> answers;
  reader.read({hanging, other}, somebody, [&answers](OverrideAnswers read) { answers = std::move(read); });
  REQUIRE(answers);
  CHECK(answers->at(hanging).error().errno_value == EAGAIN);
  CHECK(answers->at(other).value() == "vfio-pci");
}

TEST_CASE("Several addresses are read by one task, and by none where there is no worker for it") {
  Bench bench;
  CHECK(bench.read({hanging, other, at("0000:44:00.0")}).size() == 3);
  CHECK(bench.workers.tasks() == std::vector{Task{ReadOverrides{{hanging, other, at("0000:44:00.0")}}, somebody}});

  int asked = 0;
  OverrideReader busy([&asked](const Task&, const TaskCallbacks& callbacks) {
    ++asked;
    callbacks.on_result(sysfs::fail(sysfs::ErrorCode::TooBusy, "busy"));
  });
  OverrideAnswers answers;
  busy.read({hanging, other}, somebody, [&answers](OverrideAnswers read) { answers = std::move(read); });
  CHECK(asked == 1);
  CHECK(answers.at(hanging).error().code == sysfs::ErrorCode::TooBusy);
  CHECK(answers.at(other).error().code == sysfs::ErrorCode::TooBusy);
}

TEST_CASE("An answer that has not one item for each device tells nothing of any") {
  int asked = 0;
  OverrideReader reader([&asked](const Task&, const TaskCallbacks& callbacks) {
    ++asked;
    callbacks.on_result(result_of<ReadOverrides>(std::vector<std::string>{"a", "b", "c"}));
  });
  OverrideAnswers answers;
  reader.read({hanging, other}, somebody, [&answers](OverrideAnswers read) { answers = std::move(read); });
  CHECK(asked == 3);
  REQUIRE(answers.size() == 2);
  CHECK(answers.at(hanging).error().errno_value == EINVAL);
  CHECK(answers.at(other).error().errno_value == EINVAL);
}

}  // namespace devbindd::override_reader_test
