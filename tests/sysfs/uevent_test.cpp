// SPDX-License-Identifier: Apache-2.0
// Kernel uevents: the parser of their bytes.
#include "sysfs/kernel/uevent.hpp"

#include "tests/catch2.hpp"

namespace devbindd::uevent_test {

using namespace std::string_literals;
using devbindd::sysfs::addresses_in;
using devbindd::sysfs::parse_pci_address;
using devbindd::sysfs::parse_uevent;

TEST_CASE("A bind event of the kernel is understood") {
  const auto message =
      "bind@/devices/pci0000:00/0000:00:02.0\0ACTION=bind\0DEVPATH=/devices/pci0000:00/0000:00:02.0\0SUBSYSTEM=pci\0"
      "DRIVER=vfio-pci\0PCI_CLASS=20000\0PCI_ID=8086:10D3\0PCI_SUBSYS_ID=8086:0000\0PCI_SLOT_NAME=0000:00:02.0\0"
      "MODALIAS=pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00\0SEQNUM=1771\0"s;
  const auto event = parse_uevent(message);
  REQUIRE(event);
  CHECK(event->action == "bind");
  CHECK(event->devpath == "/devices/pci0000:00/0000:00:02.0");
  CHECK(event->subsystem == "pci");
  CHECK(event->keys.at("DRIVER") == "vfio-pci");
  CHECK(event->keys.at("SEQNUM") == "1771");
  CHECK(event->keys.size() == 10);
}

TEST_CASE("An event of a group's node has no PCI address in its path") {
  const auto message =
      "add@/devices/virtual/vfio/7\0ACTION=add\0DEVPATH=/devices/virtual/vfio/7\0SUBSYSTEM=vfio\0MAJOR=244\0MINOR=0\0"
      "DEVNAME=vfio/7\0SEQNUM=1769\0"s;
  const auto event = parse_uevent(message);
  REQUIRE(event);
  CHECK(event->subsystem == "vfio");
  CHECK(addresses_in(event->devpath).empty());
}

TEST_CASE("An event without keys, without subsystem or with broken keys is still an event") {
  CHECK(parse_uevent("remove@/devices/x")->action == "remove");
  CHECK(parse_uevent("remove@/devices/x\0"s)->keys.empty());
  const auto odd = parse_uevent("change@/devices/x\0\0=1\0NOEQUALS\0A=\0B=x=y\0SUBSYSTEM=pci"s);
  REQUIRE(odd);
  CHECK(odd->keys == std::map<std::string, std::string>{{"A", ""}, {"B", "x=y"}, {"SUBSYSTEM", "pci"}});
  CHECK(odd->subsystem == "pci");
}

TEST_CASE("What the kernel does not send is no event") {
  const auto message = GENERATE(values<std::string>({
      "libudev\0\xfe\xed\xca\xfe\x28\0\0\0\x28\0\0\0 add@/devices/x\0ACTION=add\0"s,
      ""s,
      "\0"s,
      "\0\0\0"s,
      "add"s,
      "@/devices/x"s,
      "add@"s,
      "add@devices/x"s,
      "ACTION=add\0DEVPATH=/x\0"s,
      "add\0@/devices/x"s,
  }));
  CAPTURE(message);
  CHECK_FALSE(parse_uevent(message));
}

TEST_CASE("Every bridge above a device is found in its path") {
  const auto address = [](const char* text) { return parse_pci_address(text).value(); };
  CHECK(addresses_in("/devices/pci0000:00/0000:00:01.0/0000:05:00.1/net/eth0") ==
        std::vector{address("0000:00:01.0"), address("0000:05:00.1")});
  CHECK(addresses_in("/devices/pci10000:00/10000:00:02.0") == std::vector{address("10000:00:02.0")});
  CHECK(addresses_in("").empty());
  CHECK(addresses_in("///").empty());
  CHECK(addresses_in("/devices/pci0000:00").empty());
}

}  // namespace devbindd::uevent_test
