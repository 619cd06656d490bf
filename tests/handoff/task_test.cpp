// SPDX-License-Identifier: Apache-2.0
// What a worker does with a task, and the bytes between it and the daemon.
#include "handoff/worker/task.hpp"

#include <cerrno>
#include <random>

#include "handoff/worker/worker_wire.hpp"
#include "tests/catch2.hpp"
#include "tests/fake_ioctl.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::task_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using tests::FakeKernel;
using Fields = std::vector<std::string>;

struct Bench {
  Bench() {
    tests::add_usual_drivers(kernel);
    kernel.add_device({.address = "0000:05:00.0", .group = 1, .driver = "e1000e", .driver_override = "e1000e"});
    kernel.add_device({.address = "0000:06:00.0", .group = 2, .driver = "vfio-pci"});
  }
  TaskResult run(const Task& task) { return perform({kernel, ioctl, index}, task, opened); }

  FakeKernel kernel;
  tests::FakeIoctl ioctl;
  std::vector<sysfs::FileDescriptor> opened;
  sysfs::ModuleIndex index{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
};

const sysfs::PciAddress card{0, 5, 0, 0};

}  // namespace

TEST_CASE("A step is performed and told as done or as done already") {
  Bench bench;
  CHECK(bench.run(task_for(sysfs::Step{sysfs::StepKind::Bind, card, "e1000e"})).value() == Fields{"already_done"});
  CHECK(bench.run(task_for(sysfs::Step{sysfs::StepKind::Unbind, card, "e1000e"})).value() == Fields{"done"});
  CHECK(bench.kernel.bindings().at("0000:05:00.0") == "- override e1000e");
  CHECK(bench.run(task_for(sysfs::Step{sysfs::StepKind::Unbind, card, "e1000e"})).error().errno_value == ENODEV);
  CHECK(bench.run(task_for(sysfs::Step{sysfs::StepKind::AddId, {}, "vfio-pci 8086 0001"})).value() == Fields{"done"});
}

TEST_CASE("Overrides are read one for each address, and a vanished device has none") {
  Bench bench;
  CHECK(bench.run({TaskKind::ReadOverrides, {"0000:05:00.0", "0000:44:00.0", "0000:06:00.0"}}).value() ==
        Fields{"e1000e", "", "(null)"});
  CHECK(bench.run({TaskKind::ReadOverrides, {}}).value().empty());
}

TEST_CASE("Holders go into fields and come out as they were") {
  Bench bench;
  bench.kernel.open_device("0000:06:00.0", 77, "qemu");
  const vfio::HolderQuery query{.address = {0, 6, 0, 0}, .group = 2, .vfio_device = "vfio0", .device_open = true};
  const vfio::HolderQuery idle{.address = card, .group = {}, .vfio_device = {}, .device_open = false};
  const auto fields = bench.run(task_for({idle, query, idle})).value();
  REQUIRE(holders_from(fields).size() == 3);
  CHECK(holders_from(fields)[1] == vfio::find_holders(bench.kernel, query).value());
  CHECK(holders_from(fields)[1].size() == 2);
  CHECK(holders_from(fields)[0].empty());
  CHECK(holders_from(fields)[2].empty());
  CHECK(holders_from({"3", "1", "a", "b"}) == std::vector<std::vector<vfio::Holder>>{{}});
  CHECK(holders_from({"5", "x", "a", "b", "c", "rest"}).front().size() == 1);
}

TEST_CASE("Lists come out of one list as they went in, and what is none of them is nothing") {
  const std::vector<Fields> lists{{}, {"", "2", "x"}, {}, {"3"}};
  CHECK(unpack(pack(lists)) == lists);
  CHECK(unpack({}).empty());
  for (const auto& malformed :
       std::vector<Fields>{{"x"}, {"1"}, {"-1"}, {"0", "2", "a"}, {"18446744073709551615", "a"}})
    CHECK(unpack(malformed).empty());
}

TEST_CASE("The usage of several devices by one task is that of each by its own") {
  Bench bench;
  const auto both = bench.run({TaskKind::FindUsage, {"", "0000:05:00.0", "0000:06:00.0"}}).value();
  std::vector<Fields> apart;
  for (const auto* address : {"0000:05:00.0", "0000:06:00.0"})
    apart.push_back(unpack(bench.run({TaskKind::FindUsage, {"", address}}).value()).front());
  CHECK(unpack(both) == apart);
  CHECK_FALSE(bench.run({TaskKind::FindUsage, {"", "0000:05:00.0", "0000:44:00.0"}}));
  CHECK_FALSE(bench.run({TaskKind::FindUsage, {""}}));
}

TEST_CASE("The facts of VFIO are the version and each extension with its answer") {
  Bench bench;
  bench.ioctl.expect({"open_container"});
  bench.ioctl.expect({"api_version"});
  for (unsigned long number = 1; number <= 10; ++number) bench.ioctl.expect({"check_extension", number, 1});
  const auto fields = bench.run({TaskKind::VfioFacts, {}}).value();
  CHECK(fields.size() == 21);
  CHECK(fields[0] == "0");
  CHECK(fields[1] == "1");
  CHECK(fields[2] == "1");
}

TEST_CASE("A task that no daemon sends is refused, and writes nothing") {
  Bench bench;
  const auto task = GENERATE(values<Task>({{TaskKind::Step, {}},
                                           {TaskKind::Step, {"bind", "0000:05:00.0"}},
                                           {TaskKind::Step, {"format", "0000:05:00.0", "e1000e"}},
                                           {TaskKind::Step, {"bind", "05:00.0", "e1000e"}},
                                           {TaskKind::Step, {"bind", "../../x", "e1000e"}},
                                           {TaskKind::ReadOverrides, {"../../etc/passwd"}},
                                           {TaskKind::FindHolders, {"0000:05:00.0"}},
                                           {TaskKind::FindHolders, {"x", "", "", ""}},
                                           {static_cast<TaskKind>(99), {}}}));
  CHECK_FALSE(bench.run(task));
  CHECK(bench.kernel.writes().empty());
}

TEST_CASE("Tasks and results come out of their bytes as they went in") {
  const auto task = GENERATE(values<Task>({{TaskKind::Step, {"bind", "0000:05:00.0", "vfio-pci"}},
                                           {TaskKind::ReadOverrides, {}},
                                           {TaskKind::FindHolders, {"", "", std::string("a\0b\xff\n", 5)}},
                                           {TaskKind::VfioFacts, {std::string(100'000, 'x')}}}));
  const auto frame = encode(task);
  CHECK(frame_size(frame) == frame.size());
  CHECK(decode_task(frame) == task);

  const auto result = GENERATE(values<TaskResult>({
      TaskResult(Fields{}),
      TaskResult(Fields{"", std::string("\0", 1), "x"}),
      TaskResult(std::unexpected(sysfs::Error{sysfs::ErrorCode::Kernel, "no", EBUSY, "/sys/x"})),
      TaskResult(std::unexpected(sysfs::Error{sysfs::ErrorCode::InvalidAddress, "", 0, ""})),
  }));
  const auto decoded = decode_result(encode(result));
  REQUIRE(decoded.has_value());
  REQUIRE(decoded->has_value() == result.has_value());
  if (result) {
    CHECK(**decoded == *result);
  } else {
    CHECK(decoded->error().code == result.error().code);
    CHECK(decoded->error().message == result.error().message);
    CHECK(decoded->error().errno_value == result.error().errno_value);
    CHECK(decoded->error().path == result.error().path);
  }
}

TEST_CASE("A frame that is cut off anywhere is malformed") {
  const auto task = encode(Task{TaskKind::Step, {"bind", "0000:05:00.0", "vfio-pci"}});
  const auto good = encode(TaskResult(Fields{"done", "x"}));
  const auto bad = encode(TaskResult(std::unexpected(sysfs::Error{sysfs::ErrorCode::Kernel, "no", EBUSY, "/sys/x"})));
  for (std::size_t size = 0; size < task.size(); ++size) CHECK_FALSE(decode_task(task.substr(0, size)));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(decode_result(good.substr(0, size)).has_value());
  for (std::size_t size = 0; size < bad.size(); ++size) CHECK_FALSE(decode_result(bad.substr(0, size)).has_value());
  CHECK_FALSE(decode_task(task + "x"));
  CHECK_FALSE(decode_result(good + "x").has_value());
  CHECK_FALSE(frame_size("abc"));
}

TEST_CASE("Lengths and numbers beyond all bounds are malformed and take no memory") {
  CHECK_FALSE(decode_task(std::string("\x0c\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0", 16)));
  CHECK_FALSE(decode_task(std::string("\x0c\0\0\0\0\0\0\0\1\0\0\0\xff\xff\xff\xff", 16)));
  CHECK_FALSE(decode_task(std::string("\x08\0\0\0\x7f\0\0\0\0\0\0\0", 12)));
  CHECK_FALSE(decode_result(std::string("\x08\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24)).has_value());
  CHECK(frame_size(std::string("\xff\xff\xff\xff", 4)) == 0x100000003U);
}

TEST_CASE("Bytes that mean nothing never do any harm") {
  std::mt19937 random(42);
  const auto seed = encode(Task{TaskKind::Step, {"bind", "0000:05:00.0", "vfio-pci"}});
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = seed;
    const auto changes = 1 + random() % 6;
    for (unsigned change = 0; change < changes; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)frame_size(bytes);
    if (const auto task = decode_task(bytes)) CHECK(decode_task(encode(*task)) == task);
    (void)decode_result(bytes);
  }
}

TEST_CASE("A worker opens nodes of VFIO and iommufd and nothing else, all of them or none") {
  Bench bench;
  for (const auto* path : {"/dev/vfio/vfio", "/dev/iommu", "/dev/vfio/devices/vfio0"})
    bench.ioctl.expect({.name = "open_node", .path = path});
  CHECK(bench.run({TaskKind::OpenNodes, {"/dev/vfio/vfio", "/dev/iommu", "/dev/vfio/devices/vfio0"}}).value().empty());
  CHECK(bench.opened.size() == 3);
  for (const auto* path : {"/dev/sda", "/dev/vfio/../sda", "/dev/iommu2", "/etc/shadow", ""}) {
    bench.opened.clear();
    CHECK(bench.run({TaskKind::OpenNodes, {path}}).error().errno_value == EINVAL);
    CHECK(bench.opened.empty());
  }
  bench.ioctl.expect({.name = "open_node", .path = "/dev/vfio/vfio"});
  bench.ioctl.expect({.name = "open_node", .errno_value = EBUSY, .path = "/dev/vfio/1"});
  CHECK(bench.run({TaskKind::OpenNodes, {"/dev/vfio/vfio", "/dev/vfio/1"}}).error().errno_value == EBUSY);
  CHECK(bench.opened.empty());
}

}  // namespace devbindd::task_test
