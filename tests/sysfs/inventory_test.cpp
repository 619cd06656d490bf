// SPDX-License-Identifier: Apache-2.0
// The snapshot: what is read again, and when.
#include "sysfs/device/inventory.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::inventory_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::add_usual_drivers;
using devbindd::tests::FakeKernel;

PciAddress at(std::string_view text) { return parse_pci_address(text).value(); }
const PciAddress first{0, 5, 0, 0};
const PciAddress second{0, 6, 0, 0};

/// Counts the reads of each device's vendor, and can lose the directory of devices.
struct WatchedKernel : FakeKernel {
  WatchedKernel() {
    add_usual_drivers(*this);
    add_device({.address = "0000:05:00.0", .group = 1, .driver = "e1000e"});
    add_device({.address = "0000:06:00.0", .group = 1});
    drain_uevents();
  }
  Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override {
    if (path.ends_with("/vendor")) ++reads[std::string(path)];
    return FakeKernel::read(path, limit);
  }
  Result<std::vector<std::string>> list(std::string_view path) const override {
    if (broken && path == "sys/bus/pci/devices") return fail(ErrorCode::Kernel, "broken", EIO);
    return FakeKernel::list(path);
  }
  int reads_of(const char* address) const { return reads["sys/bus/pci/devices/" + std::string(address) + "/vendor"]; }

  mutable std::map<std::string, int> reads;
  bool broken = false;
};

}  // namespace

TEST_CASE("The first refresh reads every device, the next one nothing") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  CHECK(inventory.devices().empty());
  REQUIRE(inventory.refresh());
  CHECK(inventory.devices().size() == 2);
  CHECK(inventory.generation() == 1);
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:05:00.0") == 1);
  CHECK(inventory.generation() == 1);
  CHECK(inventory.find(first)->driver->text() == "e1000e");
  CHECK(inventory.find(at("0000:44:00.0")) == nullptr);
  CHECK(inventory.group_members(1).size() == 2);
  CHECK(inventory.group_members(2).empty());
}

TEST_CASE("Only what an event names is read again") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  REQUIRE(kernel.write("sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"));
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(first)->driver.has_value());  // nobody has told the inventory yet
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK_FALSE(inventory.find(first)->driver.has_value());
  CHECK(kernel.reads_of("0000:05:00.0") == 2);
  CHECK(kernel.reads_of("0000:06:00.0") == 1);
  CHECK(inventory.generation() == 2);
}

TEST_CASE("A marked device that did not change does not count as a change") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  inventory.mark(second);
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:06:00.0") == 2);
  CHECK(inventory.generation() == 1);
}

TEST_CASE("Of a device that is worked on the driver's link tells whether it is to be read") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  inventory.mark_if_moved(first);
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:05:00.0") == 1);
  // Without an event, as while an unbind hangs.
  REQUIRE(kernel.write("sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"));
  inventory.mark_if_moved(first);
  REQUIRE(inventory.refresh());
  CHECK_FALSE(inventory.find(first)->driver.has_value());
  kernel.remove_device("0000:05:00.0");
  inventory.mark_if_moved(first);
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(first) == nullptr);
}

TEST_CASE("Lost events make everything be read again") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  kernel.add_device({.address = "0000:07:00.0"});
  REQUIRE(kernel.write("sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"));
  kernel.lose_uevents();
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(inventory.devices().size() == 3);
  CHECK_FALSE(inventory.find(first)->driver.has_value());
}

TEST_CASE("An event of a module or a driver counts, and no device is read again for it") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  const auto before = inventory.driver_generation();
  const auto subsystem = GENERATE(values<std::string>({"module", "drivers"}));
  inventory.apply(
      {.events = {{.action = "add", .devpath = "/module/igb", .subsystem = subsystem, .keys = {}}}, .lost = false});
  REQUIRE(inventory.refresh());
  CHECK(inventory.driver_generation() == before + 1);
  CHECK(kernel.reads_of("0000:06:00.0") == 1);
}

TEST_CASE("A file that somebody writes to makes its device be read again") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  inventory.apply({.events = {}, .written = {{.device = second, .name = "numa_node"}}});
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:06:00.0") == 2);
  CHECK(kernel.reads_of("0000:05:00.0") == 1);
}

TEST_CASE("The files of each device are watched before it is read, until it is gone") {
  WatchedKernel kernel;
  std::vector<std::string> told;
  Inventory inventory(kernel, [&](const PciAddress& address, bool begin) {
    const auto text = to_string(address);
    told.push_back((begin ? "watch " : "end ") + text + " read " + std::to_string(kernel.reads_of(text.c_str())));
    return true;
  });
  REQUIRE(inventory.refresh());
  CHECK(told == std::vector<std::string>{"watch 0000:05:00.0 read 0", "watch 0000:06:00.0 read 0"});
  told.clear();
  kernel.remove_device("0000:05:00.0");
  kernel.add_device({.address = "0000:05:00.0", .group = 7});  // before anybody looked
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(told == std::vector<std::string>{"end 0000:05:00.0 read 2", "watch 0000:05:00.0 read 2"});
  CHECK(kernel.reads_of("0000:05:00.0") == 3);
  told.clear();
  kernel.remove_device("0000:05:00.0");
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(told == std::vector<std::string>{"end 0000:05:00.0 read 4"});
}

TEST_CASE("A removal is told before it is done: the device is looked at until it is gone") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  const Uevent removal{
      .action = "remove", .devpath = "/devices/pci0000:00/0000:05:00.0", .subsystem = "pci", .keys = {}};
  inventory.apply({.events = {removal}});
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(first) != nullptr);
  kernel.remove_device("0000:05:00.0");
  REQUIRE(inventory.refresh());  // nothing more was told
  CHECK(inventory.find(first) == nullptr);
  const auto reads = kernel.reads_of("0000:05:00.0");
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:05:00.0") == reads);
}

TEST_CASE("An interface that goes or moves makes its device be looked at for a while") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  const auto action = GENERATE(values<std::string>({"add", "remove", "move"}));
  inventory.apply({.events = {{.action = action,
                               .devpath = "/devices/pci0000:00/0000:05:00.0/net/eth0",
                               .subsystem = "net",
                               .keys = {}}}});
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:05:00.0") == 3);
  CHECK(kernel.reads_of("0000:06:00.0") == 1);
}

TEST_CASE("A module that goes counts until it is gone") {
  WatchedKernel kernel;
  kernel.set_file("sys/module/uio/refcnt", "0");
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  const auto before = inventory.driver_generation();
  inventory.apply({.events = {{.action = "remove", .devpath = "/module/uio", .subsystem = "module", .keys = {}}}});
  REQUIRE(inventory.refresh());
  const auto during = inventory.driver_generation();
  REQUIRE(inventory.refresh());
  CHECK(inventory.driver_generation() > during);
  CHECK(during > before);
}

TEST_CASE("A device whose files cannot be watched is read for each answer") {
  WatchedKernel kernel;
  Inventory inventory(kernel, [](const PciAddress& address, bool) { return address != second; });
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.refresh());
  CHECK(kernel.reads_of("0000:05:00.0") == 1);
  CHECK(kernel.reads_of("0000:06:00.0") == 2);
}

TEST_CASE("What a refresh has changed is told once, as it was and as it is") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  bool lost = true;
  REQUIRE(inventory.refresh());
  CHECK(inventory.changes().take(lost).empty());  // the first reading is no change
  CHECK_FALSE(lost);
  const auto revision = inventory.revision_of(first);
  REQUIRE(kernel.write("sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"));
  kernel.remove_device("0000:06:00.0");
  kernel.add_device({.address = "0000:07:00.0"});
  const bool by_events = GENERATE(true, false);
  if (by_events) inventory.apply(kernel.drain_uevents());
  if (!by_events) inventory.mark_all();
  REQUIRE(inventory.refresh());
  auto changes = inventory.changes().take(lost);
  REQUIRE(changes.size() == 3);
  std::ranges::sort(changes, {}, &DeviceChange::address);
  CHECK(changes[0].before->driver->text() == "e1000e");
  CHECK_FALSE(changes[0].after->driver.has_value());
  CHECK(changes[1].before.has_value());
  CHECK_FALSE(changes[1].after.has_value());
  CHECK_FALSE(changes[2].before.has_value());
  CHECK(changes[2].after.has_value());
  CHECK(inventory.revision_of(first) > revision);
  CHECK(inventory.revision_of(second) == 0);
  CHECK(inventory.changes().take(lost).empty());
}

TEST_CASE("The members of a group follow their devices") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.group_members(1).size() == 2);
  CHECK(inventory.group_members(1)[0].address == first);
  // Unplugged, and another one in its place, in another group.
  kernel.remove_device("0000:05:00.0");
  kernel.add_device({.address = "0000:05:00.0", .group = 7});
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.group_members(1).size() == 1);
  CHECK(inventory.group_members(1)[0].address == second);
  REQUIRE(inventory.group_members(7).size() == 1);
  inventory.mark_all();
  kernel.remove_device("0000:06:00.0");
  REQUIRE(inventory.refresh());
  CHECK(inventory.group_members(1).empty());
  CHECK(inventory.group_members(7).size() == 1);
}

TEST_CASE("What lies below a function that is not a bridge was made by its driver") {
  WatchedKernel kernel;
  kernel.add_device({.address = "0000:00:0e.0", .class_code = 0x010400});
  kernel.add_device({.address = "0000:00:0e.1", .class_code = 0x060400});
  kernel.add_device({.address = "10000:00:01.0", .parent = "0000:00:0e.0"});
  kernel.add_device({.address = "0000:09:00.0", .parent = "0000:00:0e.1"});
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  const auto made_by = [&inventory](const char* function) {
    std::vector<PciAddress> addresses;
    for (const auto* made : inventory.made_by(*inventory.find(at(function)))) addresses.push_back(made->address);
    return addresses;
  };
  CHECK(made_by("0000:00:0e.0") == std::vector{at("10000:00:01.0")});
  CHECK(made_by("0000:00:0e.1").empty());  // a bridge makes nothing
  CHECK(made_by("10000:00:01.0").empty());
  kernel.remove_device("10000:00:01.0");
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(made_by("0000:00:0e.0").empty());
}

TEST_CASE("A vanished device leaves the snapshot, a new one enters it") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  kernel.remove_device("0000:05:00.0");
  kernel.add_device({.address = "0000:07:00.0", .group = 1});
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(first) == nullptr);
  REQUIRE(inventory.find(at("0000:07:00.0")) != nullptr);
  CHECK(inventory.group_members(1).size() == 2);
  inventory.mark(first);  // gone is gone
  const auto generation = inventory.generation();
  REQUIRE(inventory.refresh());
  CHECK(inventory.generation() == generation);
}

TEST_CASE("A PF whose VF is gone is read again, though nothing tells of it") {
  WatchedKernel kernel;
  kernel.add_device({.address = "0000:07:00.0", .group = 7, .driver = "igb", .totalvfs = 7});
  kernel.add_device({.address = "0000:07:10.0", .group = 8, .physfn = "0000:07:00.0"});
  kernel.drain_uevents();
  Inventory inventory(kernel);
  REQUIRE(inventory.refresh());
  REQUIRE(inventory.find(at("0000:07:00.0"))->virtfns.size() == 1);
  kernel.remove_device("0000:07:10.0");
  inventory.apply(kernel.drain_uevents());
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(at("0000:07:10.0")) == nullptr);
  CHECK(inventory.find(at("0000:07:00.0"))->virtfns.empty());
}

TEST_CASE("What could not be read stays marked") {
  WatchedKernel kernel;
  Inventory inventory(kernel);
  kernel.broken = true;
  CHECK(inventory.refresh().error().errno_value == EIO);
  kernel.broken = false;
  REQUIRE(inventory.refresh());
  CHECK(inventory.devices().size() == 2);

  kernel.set_file("sys/devices/pci0000:00/0000:05:00.0/vendor", "rubbish\n");
  inventory.mark(first);
  CHECK_FALSE(inventory.refresh());
  kernel.set_file("sys/devices/pci0000:00/0000:05:00.0/vendor", "0x1234\n");
  REQUIRE(inventory.refresh());
  CHECK(inventory.find(first)->vendor == 0x1234);
}

}  // namespace devbindd::inventory_test
