// SPDX-License-Identifier: Apache-2.0
// The class devices below a PCI device, as the `subsystem` links of its directories tell them.
#include "sysfs/device/children.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::children_test {

namespace {

using devbindd::sysfs::Child;
using devbindd::sysfs::children_of;
using devbindd::tests::FilesTree;
using Children = std::vector<Child>;

const std::string device = "sys/devices/pci0000:00/0000:00:1c.0/0000:05:00.0";

struct Machine : FilesTree {
  Machine() { files.add_directory(device); }
  void add(const std::string& below, const std::string& subsystem) { add_device(device + "/" + below, subsystem); }
  Children children() const { return children_of(*this, device); }
};

}  // namespace

TEST_CASE("A device without a driver, or that is gone, has no children") {
  Machine machine;
  CHECK(machine.children().empty());
  CHECK(children_of(machine, "sys/devices/pci0000:00/0000:44:00.0").empty());
}

TEST_CASE("Interfaces and their like are found in the order of their paths") {
  Machine machine;
  machine.add("net/eth1", "class/net");
  machine.add("net/eth0", "class/net");
  machine.add("infiniband/mlx5_0", "class/infiniband");
  machine.add("ptp/ptp3", "class/ptp");
  CHECK(machine.children() == Children{{"infiniband", "mlx5_0", "infiniband/mlx5_0"},
                                       {"net", "eth0", "net/eth0"},
                                       {"net", "eth1", "net/eth1"},
                                       {"ptp", "ptp3", "ptp/ptp3"}});
}

TEST_CASE("Controllers have namespaces, and disks have partitions") {
  Machine machine;
  machine.add("nvme/nvme0", "class/nvme");
  machine.add("nvme/nvme0/nvme0n1", "class/block");
  machine.add("nvme/nvme0/nvme0n1/nvme0n1p1", "class/block");
  CHECK(machine.children() == Children{{"nvme", "nvme0", "nvme/nvme0"},
                                       {"block", "nvme0n1", "nvme/nvme0/nvme0n1"},
                                       {"block", "nvme0n1p1", "nvme/nvme0/nvme0n1/nvme0n1p1"}});
}

TEST_CASE("Buses in between are walked through, and what is of no class of interest is not listed") {
  Machine machine;
  machine.add("virtio3", "bus/virtio");
  machine.add("virtio3/net/ens3", "class/net");
  machine.add("ata1", "class/ata_port");
  machine.add("ata1/host0", "bus/scsi");
  machine.add("ata1/host0/scsi_host/host0", "class/scsi_host");
  machine.add("ata1/host0/target0:0:0/0:0:0:0/block/sda", "class/block");
  CHECK(machine.children() == Children{{"scsi_host", "host0", "ata1/host0/scsi_host/host0"},
                                       {"block", "sda", "ata1/host0/target0:0:0/0:0:0:0/block/sda"},
                                       {"net", "ens3", "virtio3/net/ens3"}});
}

TEST_CASE("What is below an interface is not entered") {
  Machine machine;
  machine.add("net/eth0", "class/net");
  machine.add("net/eth0/queues/input0", "class/input");
  CHECK(machine.children() == Children{{"net", "eth0", "net/eth0"}});
}

TEST_CASE("Other devices below a bridge are not its children") {
  Machine machine;
  machine.files.add_file(device + "/class", "0x060400\n");
  machine.add("0000:06:00.0", "bus/pci");
  machine.add("0000:06:00.0/net/eth0", "class/net");
  CHECK(machine.children().empty());
}

TEST_CASE("Links are not followed, and the power directory is not entered") {
  Machine machine;
  machine.add_device("sys/devices/virtual/net/lo", "class/net");
  machine.files.add_link(device + "/net/lo", "/sys/devices/virtual/net/lo");
  machine.files.add_link(device + "/subsystem", "/sys/bus/pci");
  machine.add("power/net/eth0", "class/net");
  machine.files.add_file(device + "/config", "");
  CHECK(machine.children().empty());
}

TEST_CASE("A device with very many children shows 256 of them") {
  Machine machine;
  for (int number = 0; number < 300; ++number) machine.add("block/sd" + std::to_string(number), "class/block");
  CHECK(machine.children().size() == 256);
}

TEST_CASE("A very deep tree is given up") {
  Machine machine;
  std::string deep;
  for (int level = 0; level < 5; ++level) deep += "usb" + std::to_string(level) + "/";
  machine.add(deep + "input7", "class/input");
  CHECK(machine.children() == Children{{"input", "input7", deep + "input7"}});
  for (int level = 0; level < 40; ++level) deep += "hub/";
  machine.add(deep + "input8", "class/input");
  CHECK(machine.children().size() == 1);
}

TEST_CASE("Class devices are found by name, of whatever device, by their classes and buses") {
  Machine machine;
  const auto disk = device + "/nvme/nvme0/nvme0n1";
  machine.files.add_directory(disk);
  machine.files.add_link("sys/class/block/nvme0n1",
                         "../../devices/pci0000:00/0000:00:1c.0/0000:05:00.0/nvme/nvme0/nvme0n1");
  machine.files.add_link("sys/class/block/sda", "../../devices/pci0000:00/0000:00:1f.2/ata1/sda");
  machine.files.add_link("sys/bus/vdpa/devices/vdpa0", "../../../devices/pci0000:00/0000:00:03.0/vdpa0");
  machine.files.add_link("sys/class/hwmon/nvme0-hot", "../../devices/platform/hwmon/nvme0-hot");
  const auto found = [&machine](const std::string& part) {
    return sysfs::directories_of_named(machine, [&part](const std::string& name) { return name.contains(part); });
  };
  CHECK(found("nvme0") == std::vector<std::string>{"/" + disk});
  CHECK(found("sda") == std::vector<std::string>{"/sys/devices/pci0000:00/0000:00:1f.2/ata1/sda"});
  CHECK(found("vdpa") == std::vector<std::string>{"/sys/devices/pci0000:00/0000:00:03.0/vdpa0"});
  CHECK(found("sdb").empty());
}

}  // namespace devbindd::children_test
