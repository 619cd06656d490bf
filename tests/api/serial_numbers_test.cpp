// SPDX-License-Identifier: Apache-2.0
// A serial number is read once for each device, and only where its bytes have been seen.
#include "api/context/serial_numbers.hpp"

#include "tests/catch2.hpp"

namespace devbindd::serial_numbers_test {

using namespace devbindd::api;

namespace {

sysfs::Device card(std::uint64_t inode) {
  sysfs::Device device;
  device.address = {0, 5, 0, 0};
  device.inode = inode;
  return device;
}

// A function whose only extended capability is a serial number.
sysfs::ConfigSpace numbered() {
  std::vector<std::byte> bytes(sysfs::extended_bytes);
  bytes[0] = std::byte{0x86};
  bytes[1] = std::byte{0x80};
  const auto at = sysfs::conventional_bytes;
  bytes[at] = std::byte{0x03};
  bytes[at + 2] = std::byte{0x01};
  for (std::size_t index = 0; index < 8; ++index) bytes[at + 4 + index] = static_cast<std::byte>(index + 1);
  return {.bytes = std::move(bytes), .file_size = sysfs::extended_bytes};
}

}  // namespace

TEST_CASE("A number that has been read is known of that device, and of none that comes in its place",
          "[serial_numbers]") {
  SerialNumbers numbers;
  CHECK(numbers.find(card(7)) == nullptr);
  numbers.keep(card(7), numbered());
  REQUIRE(numbers.find(card(7)) != nullptr);
  CHECK(*numbers.find(card(7)) == "08-07-06-05-04-03-02-01");
  CHECK(numbers.find(card(8)) == nullptr);
  auto other = card(7);
  other.address.bus = 6;
  CHECK(numbers.find(other) == nullptr);
}

TEST_CASE("Where no inode tells devices apart, none is known", "[serial_numbers]") {
  SerialNumbers numbers;
  auto device = card(7);
  device.inode.reset();
  numbers.keep(device, numbered());
  CHECK(numbers.find(device) == nullptr);
}

TEST_CASE("That a function has no number is known too", "[serial_numbers]") {
  SerialNumbers numbers;
  auto config = numbered();
  config.bytes[sysfs::conventional_bytes] = std::byte{0};
  config.bytes[sysfs::conventional_bytes + 2] = std::byte{0};
  numbers.keep(card(7), config);
  REQUIRE(numbers.find(card(7)) != nullptr);
  CHECK(*numbers.find(card(7)) == std::nullopt);
}

TEST_CASE("A device that does not answer, or is read in part, says nothing", "[serial_numbers]") {
  SerialNumbers numbers;
  auto silent = numbered();
  silent.bytes.assign(sysfs::extended_bytes, std::byte{0xff});
  numbers.keep(card(7), silent);
  CHECK(numbers.find(card(7)) == nullptr);
  auto cut = numbered();
  cut.bytes.resize(sysfs::header_bytes);
  numbers.keep(card(7), cut);
  CHECK(numbers.find(card(7)) == nullptr);
}

}  // namespace devbindd::serial_numbers_test
