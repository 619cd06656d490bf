// SPDX-License-Identifier: Apache-2.0
// The names of uses, and the small grammars that the searches for them rest on.
#include "sysfs/use/use.hpp"

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/ip_address.hpp"
#include "tests/catch2.hpp"

namespace devbindd::use_test {

namespace {

using namespace devbindd::sysfs;
using Views = std::vector<std::string_view>;

}  // namespace

TEST_CASE("Every kind of use has a code of its own, and the code names the kind") {
  std::vector<std::string_view> codes;
  for (int at = 0; at <= static_cast<int>(UseKind::Firmware); ++at) {
    const auto kind = static_cast<UseKind>(at);
    const auto code = name_of(kind);
    CHECK(code.find('.') != std::string_view::npos);
    CHECK(use_kind_from(code) == kind);
    CHECK(std::find(codes.begin(), codes.end(), code) == codes.end());
    codes.push_back(code);
  }
  CHECK(codes.size() == 35);
  CHECK_FALSE(use_kind_from("net.address "));
  CHECK_FALSE(use_kind_from(""));
}

TEST_CASE("Lines, words, numbers and escapes of /proc") {
  CHECK(lines_of("a\n\nb\n") == Views{"a", "", "b"});
  CHECK(lines_of("").empty());
  CHECK(words_of(" a\t b  ") == Views{"a", "b"});
  CHECK(number_from<int>("12") == 12);
  CHECK_FALSE(number_from<int>("12x"));
  CHECK_FALSE(number_from<int>(""));
  CHECK(device_number_from("259:3") == DeviceNumber{259, 3});
  CHECK_FALSE(device_number_from("259"));
  CHECK_FALSE(device_number_from("a:b"));
  CHECK(unescaped("/my\\040disk\\134x") == "/my disk\\x");
  CHECK(unescaped("/my\\04") == "/my\\04");
  CHECK(unescaped("\\999") == "\\999");
}

TEST_CASE("Addresses compare by value, however they are written") {
  CHECK(ip_address_from("192.0.2.1") == ip_address_from("::ffff:192.0.2.1"));
  CHECK(ip_address_from("2001:db8::1/64") == ip_address_from("[2001:0db8:0::1]"));
  CHECK(ip_address_from("fe80::1%eth0") == ip_address_from("fe80::1"));
  CHECK(ip_address_from("192.0.2.1") != ip_address_from("192.0.2.2"));
  CHECK_FALSE(ip_address_from("localhost"));
  CHECK_FALSE(ip_address_from(""));
  CHECK(is_loopback(*ip_address_from("127.1.2.3")));
  CHECK(is_loopback(*ip_address_from("::1")));
  CHECK_FALSE(is_loopback(*ip_address_from("::2")));
  CHECK(is_link_local(*ip_address_from("169.254.1.1")));
  CHECK(is_link_local(*ip_address_from("febf::1")));
  CHECK_FALSE(is_link_local(*ip_address_from("fec0::1")));
  CHECK_FALSE(is_link_local(*ip_address_from("10.0.0.1")));
}

}  // namespace devbindd::use_test
