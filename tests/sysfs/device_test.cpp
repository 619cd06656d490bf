// SPDX-License-Identifier: Apache-2.0
// One device, its group and the drivers, as sysfs shows them.
#include "sysfs/device/device.hpp"

#include <cerrno>

#include "sysfs/device/pci_driver.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::device_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::add_usual_drivers;
using devbindd::tests::FakeKernel;

PciAddress at(std::string_view text) { return parse_pci_address(text).value(); }
DriverName driver(std::string_view text) { return DriverName::parse(text).value(); }

struct Machine : FakeKernel {
  Machine() {
    add_usual_drivers(*this);
    add_device({.address = "0000:00:01.0", .device = 0x3420, .class_code = 0x060400, .group = 1, .driver = "pcieport"});
    add_device({.address = "0000:05:00.0",
                .group = 24,
                .driver = "e1000e",
                .interfaces = {"eth0", "eth1"},
                .numa_node = 1,
                .parent = "0000:00:01.0"});
    add_device({.address = "0000:06:00.0", .device = 0x10c9, .group = 25, .driver = "igb", .totalvfs = 7});
    add_device(
        {.address = "0000:06:10.0", .device = 0x10ca, .group = 26, .driver = "vfio-pci", .physfn = "0000:06:00.0"});
    add_device({.address = "0000:06:10.2", .device = 0x10ca, .group = 27, .physfn = "0000:06:00.0"});
  }
};

}  // namespace

TEST_CASE("A device is read with everything that never blocks") {
  const Machine machine;
  const auto device = read_device(machine, at("0000:05:00.0")).value();
  CHECK(device.vendor == 0x8086);
  CHECK(device.device == 0x10d3);
  CHECK(device.subsystem_vendor == 0x8086);
  CHECK(device.subsystem_device == 1);
  CHECK(device.class_code == 0x020000);
  CHECK(device.revision == 1);
  CHECK(device.modalias == "pci:v00008086d000010D3sv00008086sd00000001bc02sc00i00");
  CHECK(device.driver == driver("e1000e"));
  CHECK(device.module == "e1000e");
  CHECK(device.iommu_group == 24U);
  CHECK(device.numa_node == 1U);
  CHECK(device.interfaces == std::vector<std::string>{"eth0", "eth1"});
  CHECK(device.enable_count == 1U);
  CHECK_FALSE(device.vfio_device);
  CHECK(device.sysfs_path == "/sys/devices/pci0000:00/0000:00:01.0/0000:05:00.0");
  CHECK(category(device) == "network");
  CHECK(id_text(device) == "8086 10d3");
  CHECK_FALSE(is_vfio_bound(device));
  CHECK_FALSE(is_pci_bridge(device));
}

TEST_CASE("Physical and virtual functions know each other") {
  const Machine machine;
  const auto pf = read_device(machine, at("0000:06:00.0")).value();
  CHECK(pf.sriov_totalvfs == 7U);
  CHECK(pf.virtfns == std::vector{at("0000:06:10.0"), at("0000:06:10.2")});
  CHECK_FALSE(pf.physfn);
  CHECK_FALSE(pf.numa_node);  // -1
  const auto vf = read_device(machine, at("0000:06:10.0")).value();
  CHECK(vf.physfn == at("0000:06:00.0"));
  CHECK(vf.vfio_device == "vfio0");
  CHECK(vf.enable_count == 0U);
  CHECK(is_vfio_bound(vf));
  CHECK_FALSE(read_device(machine, at("0000:06:10.2")).value().driver);
}

TEST_CASE("Interfaces of a virtio device stand one level below") {
  Machine machine;
  machine.add_device({.address = "0000:07:00.0", .vendor = 0x1af4, .device = 0x1041});
  machine.set_file("sys/devices/pci0000:00/0000:07:00.0/virtio3/net/ens1/mtu", "1500\n");
  CHECK(read_device(machine, at("0000:07:00.0")).value().interfaces == std::vector<std::string>{"ens1"});
}

TEST_CASE("A device that is not there is not found") {
  Machine machine;
  CHECK(read_device(machine, at("0000:44:00.0")).error().code == ErrorCode::DeviceNotFound);
  machine.remove_device("0000:05:00.0");
  CHECK(read_device(machine, at("0000:05:00.0")).error().code == ErrorCode::DeviceNotFound);
}

TEST_CASE("A device whose IDs are no numbers is an error and not another device") {
  Machine machine;
  machine.set_file("sys/devices/pci0000:00/0000:06:00.0/vendor", "0xffffffff\n");
  const auto device = read_device(machine, at("0000:06:00.0"));
  REQUIRE_FALSE(device);
  CHECK(device.error().code == ErrorCode::Kernel);
}

TEST_CASE("All devices are listed in order, without what is no address") {
  Machine machine;
  machine.add_device({.address = "10000:01:00.0"});
  machine.set_file("sys/bus/pci/devices/not-a-device", "");
  CHECK(list_devices(machine).value() == std::vector{at("0000:00:01.0"), at("0000:05:00.0"), at("0000:06:00.0"),
                                                     at("0000:06:10.0"), at("0000:06:10.2"), at("10000:01:00.0")});
  const FakeKernel empty;
  CHECK(list_devices(empty).value().empty());
}

TEST_CASE("The category of a device comes from its class") {
  struct Row {
    std::uint32_t class_code;
    std::string_view category;
    bool bridge;
  };
  const auto row = GENERATE(values<Row>({{0x020000, "network", false},
                                         {0x010802, "storage", false},
                                         {0x030000, "display", false},
                                         {0x040300, "sound", false},
                                         {0x050000, "memory", false},
                                         {0x060000, "bridge", false},
                                         {0x060400, "bridge", true},
                                         {0x060401, "bridge", true},
                                         {0x060700, "bridge", true},
                                         {0x060940, "bridge", true},
                                         {0x060100, "bridge", false},
                                         {0x0c0330, "usb", false},
                                         {0x0c0500, "other", false},
                                         {0x100000, "crypto", false},
                                         {0x0b4000, "accelerator", false},
                                         {0x120000, "accelerator", false},
                                         {0xff0000, "other", false}}));
  Device device;
  device.class_code = row.class_code;
  CAPTURE(row.class_code);
  CHECK(category(device) == row.category);
  CHECK(is_pci_bridge(device) == row.bridge);
}

TEST_CASE("No driver_override is printed as (null)") {
  CHECK(override_from_attribute("(null)") == std::nullopt);
  CHECK(override_from_attribute("") == std::nullopt);
  CHECK(override_from_attribute("vfio-pci") == "vfio-pci");
}

TEST_CASE("An IOMMU group has members, a type, and names that are no PCI devices") {
  Machine machine;
  machine.set_file("sys/kernel/iommu_groups/24/devices/arm-smmu.0", "");
  const auto group = read_iommu_group(machine, 24).value();
  CHECK(group.number == 24);
  CHECK(group.members == std::vector{at("0000:05:00.0")});
  CHECK(group.other_members == std::vector<std::string>{"arm-smmu.0"});
  CHECK(group.type == "DMA-FQ");
  CHECK_FALSE(group.no_iommu);
  CHECK(read_iommu_group(machine, 99).error().code == ErrorCode::GroupNotFound);
  machine.set_file("sys/kernel/iommu_groups/24/name", "vfio-noiommu\n");
  CHECK(read_iommu_group(machine, 24).value().no_iommu);
}

TEST_CASE("Groups are listed by number, and a host without IOMMU has none") {
  Machine machine;
  machine.add_device({.address = "0000:0a:00.0", .group = 3});
  CHECK(list_iommu_groups(machine).value() == std::vector<unsigned>{1, 3, 24, 25, 26, 27});
  const FakeKernel empty;
  CHECK(list_iommu_groups(empty).value().empty());
}

TEST_CASE("A group is viable when every member is driverless or manages its DMA itself") {
  const auto member = [](const char* address, const char* name) {
    Device device;
    device.address = at(address);
    if (name != nullptr) device.driver = driver(name);
    return device;
  };
  CHECK(viability_blockers({}).empty());
  CHECK(viability_blockers({member("0000:01:00.0", nullptr), member("0000:01:00.1", "vfio-pci"),
                            member("0000:01:00.2", "pci-stub"), member("0000:01:00.3", "pcieport"),
                            member("0000:01:00.4", "mlx5_vfio_pci")})
            .empty());
  const auto blockers = viability_blockers({member("0000:01:00.0", "e1000e"), member("0000:01:00.1", "vfio-pci"),
                                            member("0000:01:00.2", "uio_pci_generic")});
  CHECK(blockers == std::vector<ViabilityBlocker>{{at("0000:01:00.0"), driver("e1000e")},
                                                  {at("0000:01:00.2"), driver("uio_pci_generic")}});
  auto unusual = member("0000:01:00.0", "some_new_driver");
  unusual.vfio_device = "vfio3";  // the directory says that it is one of VFIO's, whatever its name
  CHECK(viability_blockers({unusual}).empty());
}

TEST_CASE("A driver is read with its module and the devices it has") {
  Machine machine;
  machine.add_driver({.name = "fixed", .bindable = false});
  const auto vfio = read_driver(machine, driver("vfio-pci")).value();
  CHECK(vfio.module == "vfio_pci");
  CHECK(vfio.devices == std::vector{at("0000:06:10.0")});
  CHECK(vfio.bindable);
  CHECK_FALSE(read_driver(machine, driver("fixed")).value().bindable);
  CHECK(read_driver(machine, driver("nouveau")).error().code == ErrorCode::DriverNotFound);
  CHECK(driver_registered(machine, driver("igb")));
  CHECK_FALSE(driver_registered(machine, driver("nouveau")));
  const auto names = list_drivers(machine).value();
  CHECK(names.size() == 7);
  CHECK(names.front() == driver("e1000e"));
}

}  // namespace devbindd::device_test
