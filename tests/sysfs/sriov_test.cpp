// SPDX-License-Identifier: Apache-2.0
// Where virtual functions come to sit.
#include "sysfs/device/sriov.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::sriov_test {

namespace {

using namespace devbindd;
using namespace devbindd::sysfs;

PciAddress at(std::string_view text) { return parse_pci_address(text).value(); }

std::string function(std::string_view physical, unsigned offset, unsigned stride, unsigned index) {
  const auto address = function_address(at(physical), {.total = 64, .offset = offset, .stride = stride}, index);
  return address ? to_string(*address) : "none";
}

}  // namespace

TEST_CASE("A VF's address is its PF's routing ID, the offset, and the stride as often as its index") {
  CHECK(function("0000:05:00.0", 0x80, 2, 0) == "0000:05:10.0");
  CHECK(function("0000:05:00.0", 0x80, 2, 3) == "0000:05:10.6");
  CHECK(function("0000:05:00.1", 0x80, 2, 4) == "0000:05:11.1");
  CHECK(function("0000:05:00.0", 1, 1, 3) == "0000:05:00.4");
  CHECK(function("0000:05:00.0", 1, 1, 8) == "0000:05:01.1");
  CHECK(function("10000:05:00.0", 0x100, 1, 0) == "10000:06:00.0");
  CHECK(function("0000:05:00.0", 0x180, 2, 63) == "0000:06:1f.6");
}

TEST_CASE("Settings that cannot be true give no address") {
  CHECK(function("0000:05:00.0", 0, 2, 0) == "none");
  CHECK(function("0000:05:00.0", 0x80, 0, 0) == "0000:05:10.0");
  CHECK(function("0000:05:00.0", 0x80, 0, 1) == "none");
  CHECK(function("0000:ff:1f.7", 1, 1, 0) == "none");
  CHECK(function("0000:00:00.0", 0xffffffff, 0xffffffff, 0xffffffff) == "none");
}

TEST_CASE("The settings are read without the attribute that can hang") {
  tests::FakeKernel kernel;
  kernel.add_device({.address = "0000:05:00.0", .totalvfs = 7, .drivers_autoprobe = false, .vf_offset = 384});
  kernel.add_device({.address = "0000:06:00.0"});
  CHECK(read_sriov(kernel, read_device(kernel, at("0000:05:00.0")).value()) ==
        Sriov{.total = 7, .offset = 384, .stride = 2, .function_id = 0x10ca, .autoprobe = false});
  CHECK_FALSE(read_sriov(kernel, read_device(kernel, at("0000:06:00.0")).value()));
  kernel.set_file("sys/devices/pci0000:00/0000:05:00.0/sriov_offset", "much");
  CHECK(read_sriov(kernel, read_device(kernel, at("0000:05:00.0")).value())->offset == 0);
}

TEST_CASE("A VF is matched by its PF's modalias with the VFs' own device ID") {
  tests::FakeKernel kernel;
  kernel.add_device({.address = "0000:05:00.0", .device = 0x10c9, .totalvfs = 7, .vf_device = 0x1ca});
  kernel.add_device({.address = "0000:06:00.0"});
  const auto modalias = [&kernel](std::string_view address) {
    return function_modalias(kernel, read_device(kernel, at(address)).value());
  };
  CHECK(modalias("0000:05:00.0") == "pci:v00008086d000001CAsv00008086sd00000001bc02sc00i00");
  CHECK(modalias("0000:06:00.0").empty());
  for (const auto* wrong : {"", "12345", "10cz", "-1"}) {
    kernel.set_file("sys/devices/pci0000:00/0000:05:00.0/sriov_vf_device", wrong);
    CHECK(modalias("0000:05:00.0").empty());
  }
}

}  // namespace devbindd::sriov_test
