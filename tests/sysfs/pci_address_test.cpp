// SPDX-License-Identifier: Apache-2.0
// PCI addresses: what is one, and that text and value are the same thing.
#include "sysfs/kernel/pci_address.hpp"

#include "tests/catch2.hpp"

namespace devbindd::pci_address_test {

using devbindd::sysfs::ErrorCode;
using devbindd::sysfs::parse_pci_address;
using devbindd::sysfs::PciAddress;
using devbindd::sysfs::to_string;

TEST_CASE("A PCI address is read exactly as the kernel writes it") {
  struct Row {
    std::string text;
    PciAddress address;
    std::string normal;
  };
  const auto row = GENERATE(values<Row>({
      {"0000:05:00.0", {0, 5, 0, 0}, "0000:05:00.0"},
      {"0000:ff:1f.7", {0, 0xff, 0x1f, 7}, "0000:ff:1f.7"},
      {"ABCD:EF:0A.3", {0xabcd, 0xef, 0x0a, 3}, "abcd:ef:0a.3"},
      {"10000:01:02.3", {0x10000, 1, 2, 3}, "10000:01:02.3"},
      {"123456:01:02.3", {0x123456, 1, 2, 3}, "123456:01:02.3"},
      {"fedcba9:01:02.3", {0xfedcba9, 1, 2, 3}, "fedcba9:01:02.3"},
      {"ffffffff:01:02.3", {0xffffffff, 1, 2, 3}, "ffffffff:01:02.3"},
  }));
  CAPTURE(row.text);
  const auto address = parse_pci_address(row.text);
  REQUIRE(address);
  CHECK(*address == row.address);
  CHECK(to_string(*address) == row.normal);
  CHECK(parse_pci_address(to_string(*address)) == row.address);
}

TEST_CASE("What is no full PCI address is refused") {
  const auto text = GENERATE(values<std::string>({
      "",
      ":",
      "05:00.0",
      "000:05:00.0",
      "0000:05:00",
      "0000:05:00.",
      "0000:05:00.8",
      "0000:05:20.0",
      "0000:05:00.00",
      "0000:05:00.0 ",
      " 0000:05:00.0",
      "0000:05:00.0\n",
      "0000:5:00.0",
      "0000:05:0.0",
      "0000-05:00.0",
      "0000:05-00.0",
      "0000:05:00:0",
      "000g:05:00.0",
      "0000:0x:00.0",
      "0000:+5:00.0",
      "0000:-5:00.0",
      "0000:05: 0.0",
      "00000:05:00.0",
      "010000:05:00.0",
      "100000000:05:00.0",
      "0x00:05:00.0",
      "../../../etc",
      "0000:05:00.0/../x",
  }));
  CAPTURE(text);
  const auto address = parse_pci_address(text);
  REQUIRE_FALSE(address);
  CHECK(address.error().code == ErrorCode::InvalidAddress);
}

TEST_CASE("A refused PCI address is quoted no longer than it takes to recognise it") {
  const auto address = parse_pci_address(std::string(100'000, 'a'));
  REQUIRE_FALSE(address);
  CHECK(address.error().message.size() < 300);
}

TEST_CASE("A NUL inside an address does not hide what follows") {
  CHECK_FALSE(parse_pci_address(std::string_view("0000:05:00\0.0", 13)));
  CHECK_FALSE(parse_pci_address(std::string_view("0000:05:00.\0", 12)));
}

TEST_CASE("PCI addresses are ordered by domain, bus, slot and function") {
  CHECK(PciAddress{0, 5, 0, 1} < PciAddress{0, 5, 1, 0});
  CHECK(PciAddress{0, 5, 31, 7} < PciAddress{0, 6, 0, 0});
  CHECK(PciAddress{0, 255, 0, 0} < PciAddress{1, 0, 0, 0});
}

}  // namespace devbindd::pci_address_test
