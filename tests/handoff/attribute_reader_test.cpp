// SPDX-License-Identifier: Apache-2.0
// Reading attributes through workers: what is there, what is not, what fails, and what hangs.
#include "handoff/worker/attribute_reader.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/reader_bench.hpp"

namespace devbindd::attribute_reader_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using Answer = sysfs::Result<Attributes>;

using Bench = ReaderBench<AttributeReader, Answer, sysfs::PciAddress, std::vector<std::string>>;

// Workers that do nothing by themselves: the test answers for them.
struct SilentWorkers {
  RunTask run_task() {
    return [this](Task task, TaskCallbacks callbacks) {
      tasks.push_back(std::move(task));
      waiting.push_back(std::move(callbacks));
    };
  }
  std::vector<Task> tasks;
  std::vector<TaskCallbacks> waiting;
};

TaskResult read_as(Attributes attributes) { return result_of<ReadAttributes>(std::move(attributes)); }

const std::string device_path = "sys/devices/pci0000:00/0000:05:00.0/";

}  // namespace

TEST_CASE("Attributes come with their contents, those that the device lacks are left out") {
  Bench bench;
  bench.kernel->set_file(device_path + "power/control", "auto\n");
  bench.kernel->set_file(device_path + "label", "\n");
  bench.kernel->set_file(device_path + "aer_dev_fatal", "DLP 0\nTLP 1\n\n");
  const auto answer =
      bench.read(at("0000:05:00.0"), {"power/control", "boot_vga", "label", "revision", "aer_dev_fatal"});
  CHECK(answer.value() == Attributes{{"power/control", {"auto", ""}},
                                     {"label", {"", ""}},
                                     {"revision", {"0x01", ""}},
                                     {"aer_dev_fatal", {"DLP 0\nTLP 1\n", ""}}});
}

TEST_CASE("All the attributes of a device are one task") {
  Bench bench;
  CHECK(bench.read(at("0000:05:00.0"), {"irq", "label"}).value().empty());
  REQUIRE(bench.workers.tasks().size() == 1);
  CHECK(bench.workers.tasks()[0] == Task{ReadAttributes{at("0000:05:00.0"), {"irq", "label"}}, somebody});
  CHECK(bench.read(at("0000:05:00.0"), {}).value().empty());
}

TEST_CASE("Content that looks like an error is content") {
  Bench bench;
  bench.kernel->set_file(device_path + "label", "=a\n");
  bench.kernel->set_file(device_path + "index", "!EIO\n");
  const auto answer = bench.read(at("0000:05:00.0"), {"label", "index"});
  CHECK(answer.value() == Attributes{{"label", {"=a", ""}}, {"index", {"!EIO", ""}}});
}

TEST_CASE("An attribute that cannot be read says why, and the others are read") {
  Bench bench;
  const auto answer = bench.read(at("0000:05:00.0"), {"driver", "vendor"});  // a directory has no content
  CHECK(answer.value() == Attributes{{"driver", {"", "EISDIR"}}, {"vendor", {"0x8086", ""}}});
}

TEST_CASE("An absent device has no attributes") {
  Bench bench;
  const auto answer = bench.read(at("0000:44:00.0"), {"vendor", "irq"});
  CHECK((!answer || answer->empty()));
}

TEST_CASE("The answer to another task is an error") {
  SilentWorkers workers;
  AttributeReader reader(workers.run_task());
  std::vector<Answer> answers;
  reader.read(at("0000:05:00.0"), {"irq", "label", "index"}, somebody,
              [&answers](Answer read) { answers.push_back(std::move(read)); });
  workers.waiting.at(0).on_result(result_of<ReadOverrides>(std::vector<std::string>{"e1000e"}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].error().errno_value == EINVAL);
}

TEST_CASE("A device whose attributes hang is overdue, and not asked again until it answers") {
  SilentWorkers workers;
  AttributeReader reader(workers.run_task());
  std::vector<Answer> answers;
  const auto read = [&](std::string_view address) {
    reader.read(at(address), {"irq"}, somebody, [&answers](Answer answer) { answers.push_back(std::move(answer)); });
  };
  read("0000:05:00.0");
  workers.waiting.at(0).on_overdue(4711);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].error().code == sysfs::ErrorCode::Overdue);
  CHECK(answers[0].error().message == "the kernel is busy with 0000:05:00.0: reading its attributes takes too long");
  read("0000:05:00.0");
  REQUIRE(answers.size() == 2);
  CHECK(answers[1].error().code == sysfs::ErrorCode::Overdue);
  CHECK(workers.tasks.size() == 1);
  read("0000:06:00.0");  // another device is asked none the less
  CHECK(workers.tasks.size() == 2);
  workers.waiting.at(1).on_result(read_as({{"irq", {"24", ""}}}));
  REQUIRE(answers.size() == 3);
  CHECK(answers[2].value() == Attributes{{"irq", {"24", ""}}});
  workers.waiting.at(0).on_result(read_as({{"irq", {"23", ""}}}));
  CHECK(answers.size() == 3);  // too late: the answer has been given
  read("0000:05:00.0");
  CHECK(workers.tasks.size() == 3);
}

TEST_CASE("What the workers fail with is the answer") {
  const auto [errno_value, code] = GENERATE(table<int, sysfs::ErrorCode>({{ENOENT, sysfs::ErrorCode::DeviceNotFound},
                                                                          {ENODEV, sysfs::ErrorCode::DeviceNotFound},
                                                                          {ECHILD, sysfs::ErrorCode::Kernel}}));
  SilentWorkers workers;
  AttributeReader reader(workers.run_task());
  std::optional<Answer> answer;
  reader.read(at("0000:05:00.0"), {"irq"}, somebody, [&answer](Answer read) { answer = std::move(read); });
  workers.waiting.at(0).on_result(sysfs::fail(sysfs::ErrorCode::Kernel, "failed", errno_value));
  REQUIRE(answer.has_value());
  CHECK(answer->error().code == code);
}

}  // namespace devbindd::attribute_reader_test
