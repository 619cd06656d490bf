// SPDX-License-Identifier: Apache-2.0
// Reading configuration spaces through workers: never a hang, and never twice at a device that hangs.
#include "handoff/worker/config_reader.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/reader_bench.hpp"

namespace devbindd::config_reader_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

using Bench = ReaderBench<ConfigReader, ConfigReader::Answer, sysfs::PciAddress>;

const std::string hanging_file = "sys/bus/pci/devices/0000:05:00.0/config";

}  // namespace

TEST_CASE("The bytes of the configuration space come with its size") {
  Bench bench;
  const auto config = bench.read(at("0000:05:00.0"));
  REQUIRE(config);
  CHECK(config->file_size == 256);
  CHECK(config->bytes.size() == 256);
  CHECK(config->bytes[0] == std::byte{0x86});
}

TEST_CASE("A byte 0x0a at the end is a byte") {
  Bench bench;
  auto bytes = std::string(255, '\0') + "\n";
  bench.kernel->add_device({.address = "0000:45:00.0", .config = bytes});
  const auto config = bench.read(at("0000:45:00.0"));
  REQUIRE(config);
  CHECK(config->bytes.size() == 256);
  CHECK(config->bytes.back() == std::byte{0x0a});
}

TEST_CASE("An absent device is not found") {
  Bench bench;
  CHECK(bench.read(at("0000:44:00.0")).error().code == sysfs::ErrorCode::DeviceNotFound);
}

TEST_CASE("A device whose configuration space hangs is overdue, and not asked again until it answers") {
  Bench bench;
  bench.kernel->block(hanging_file);
  CHECK(bench.read(at("0000:05:00.0")).error().code == sysfs::ErrorCode::Overdue);
  CHECK(bench.read(at("0000:05:00.0")).error().code == sysfs::ErrorCode::Overdue);
  CHECK(bench.workers.tasks().size() == 1);
  bench.kernel->unblock(hanging_file);
  bench.workers.resume();
  bench.settle();
  CHECK(bench.read(at("0000:05:00.0")).has_value());
}

}  // namespace devbindd::config_reader_test
