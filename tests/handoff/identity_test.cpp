// SPDX-License-Identifier: Apache-2.0
// What a caller expects of the device at an address: compared before anything is changed.
#include "handoff/model/identity.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::identity_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string numbered = "0000:45:00.0";

// A header of type 0, and the serial number's capability as the only one of the extended space.
std::string config_with_serial() {
  std::string bytes(4096, '\0');
  bytes.replace(0, 4, std::string("\x86\x80\xd3\x10", 4));
  bytes.replace(0x100, 12, std::string("\x03\x00\x01\x00\xc3\xb2\xa1\xff\xff\x21\x1b\x00", 12));
  return bytes;
}

std::shared_ptr<FakeKernel> machine() {
  auto kernel = usual_machine();
  kernel->add_device({.address = numbered, .group = 45, .driver = "e1000e", .config = config_with_serial()});
  return kernel;
}

ChangeRequest expecting(const std::string& address, Identity identity) {
  auto request = bind_request(address);
  request.expect = std::move(identity);
  return request;
}

}  // namespace

TEST_CASE("Each ID that is expected is compared, and the others are not") {
  sysfs::Device device;
  device.vendor = 0x8086;
  device.device = 0x10d3;
  device.subsystem_vendor = 0x15ad;
  device.subsystem_device = 0x0001;
  CHECK(mismatch({}, device).empty());
  CHECK(mismatch({.vendor = 0x8086, .device = 0x10d3, .subsystem_vendor = 0x15ad, .subsystem_device = 1}, device)
            .empty());
  CHECK(mismatch({.vendor = 0x8087}, device) == "another device is there now: its vendor is 8086 and not 8087");
  CHECK_FALSE(mismatch({.device = 0x10d4}, device).empty());
  CHECK_FALSE(mismatch({.subsystem_vendor = 0x15ae}, device).empty());
  CHECK_FALSE(mismatch({.subsystem_device = 2}, device).empty());
}

TEST_CASE("A serial number that is expected must be there") {
  CHECK(mismatch_of_serial({}, std::nullopt).empty());
  CHECK(mismatch_of_serial({.serial = "00-01"}, "00-01").empty());
  CHECK_FALSE(mismatch_of_serial({.serial = "00-01"}, "00-02").empty());
  CHECK(mismatch_of_serial({.serial = "00-01"}, std::nullopt).find("not there") != std::string::npos);
}

TEST_CASE("A change of another device than the expected one is refused before anything is written") {
  Stage stage(machine());
  const auto wrong = Identity{.serial = "00-00-00-00-00-00-00-00"};
  for (const auto& identity : {Identity{.vendor = 0x10de}, Identity{.device = 0x0001}, wrong}) {
    CHECK(stage.refused(expecting(numbered, identity)).error.code == sysfs::ErrorCode::IdentityMismatch);
    const auto preview = stage.decide(expecting(numbered, identity), true);
    CHECK(std::get<Refusal>(preview).error.code == sysfs::ErrorCode::IdentityMismatch);
  }
  CHECK(stage.refused(expecting("0000:05:00.0", wrong)).error.code == sysfs::ErrorCode::IdentityMismatch);
  CHECK(stage.kernel.writes().empty());
  const auto right = Identity{.vendor = 0x8086, .device = 0x10d3, .serial = "00-1b-21-ff-ff-a1-b2-c3"};
  CHECK(stage.carry_out(expecting(numbered, right))["state"] == "succeeded");
}

}  // namespace devbindd::identity_test
