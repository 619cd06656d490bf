// SPDX-License-Identifier: Apache-2.0
// What the container is asked, call by call, and the nodes below /dev/vfio.
#include "vfio/container.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_ioctl.hpp"
#include "tests/fake_kernel.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::container_test {

namespace {

using namespace devbindd;
using tests::add_usual_drivers;
using tests::FakeIoctl;
using tests::FakeKernel;

sysfs::Device read(const FakeKernel& kernel, std::string_view address) {
  return sysfs::read_device(kernel, sysfs::parse_pci_address(address).value()).value();
}

std::vector<std::string> paths_of(const std::vector<vfio::Node>& nodes) {
  std::vector<std::string> paths;
  for (const auto& node : nodes) paths.push_back(node.path);
  return paths;
}

struct Machine : FakeKernel {
  Machine() {
    add_usual_drivers(*this);
    add_device({.address = "0000:05:00.0", .group = 24, .driver = "vfio-pci"});
    add_device({.address = "0000:06:00.0", .group = 25, .driver = "e1000e"});
    add_device({.address = "0000:07:00.0", .group = 3, .driver = "vfio-pci"});
  }
};

}  // namespace

TEST_CASE("The container is asked for its version and then for every extension once") {
  FakeIoctl ioctl;
  ioctl.expect({"open_container", 0, 0, 0});
  ioctl.expect({"api_version", 0, 0, 0});
  for (unsigned long number = 1; number <= 10; ++number) {
    ioctl.expect({"check_extension", number, number == 1 || number == 3 || number == 9 ? 1 : 0, 0});
  }
  const auto facts = vfio::container_facts(ioctl);
  REQUIRE(facts);
  CHECK(ioctl.used_up());
  CHECK(facts->api_version == 0);
  REQUIRE(facts->extensions.size() == 10);
  for (const auto& extension : facts->extensions) {
    CHECK(extension.name == vfio::extension_name(extension.number));
    CHECK_FALSE(extension.name.empty());
  }
  CHECK(facts->extensions[0].name == "type1_iommu");
  CHECK(facts->extensions[0].answer == 1);
  CHECK(facts->extensions[1].answer == 0);
  CHECK(facts->extensions[2].name == "type1v2_iommu");
  CHECK(vfio::extension_name(0) == "unknown");
  CHECK(vfio::extension_name(11) == "unknown");
}

TEST_CASE("The first call that fails is the answer, and no further one is made") {
  const auto failing = GENERATE(0, 1, 2, 11);
  FakeIoctl ioctl;
  std::vector<tests::FakeCall> calls{{"open_container", 0, 0, 0}, {"api_version", 0, 0, 0}};
  for (unsigned long number = 1; number <= 10; ++number) calls.push_back({"check_extension", number, 0, 0});
  for (int index = 0; index <= failing; ++index) {
    auto call = calls[static_cast<std::size_t>(index)];
    if (index == failing) call.errno_value = ENODEV;
    ioctl.expect(call);
  }
  const auto facts = vfio::container_facts(ioctl);
  REQUIRE_FALSE(facts);
  CHECK(facts.error().errno_value == ENODEV);
  CHECK(ioctl.used_up());
}

TEST_CASE("The nodes of VFIO are listed, the container among them") {
  Machine machine;
  CHECK(paths_of(vfio::list_nodes(machine).value()) ==
        std::vector<std::string>{"/dev/vfio/24", "/dev/vfio/3", "/dev/vfio/vfio"});
  machine.set_device_cdev(true);
  CHECK(paths_of(vfio::list_nodes(machine).value()) ==
        std::vector<std::string>{"/dev/vfio/24", "/dev/vfio/3", "/dev/vfio/vfio", "/dev/vfio/devices/vfio0",
                                 "/dev/vfio/devices/vfio1"});
  const FakeKernel without;
  CHECK(vfio::list_nodes(without).value().empty());
}

TEST_CASE("A device bound to VFIO has its group's node, and a node of its own where the kernel makes them") {
  Machine machine;
  auto nodes = vfio::nodes_of(machine, read(machine, "0000:05:00.0")).value();
  REQUIRE(nodes.group);
  CHECK(nodes.group->path == "/dev/vfio/24");
  CHECK(nodes.group->status.mode == 0600);
  CHECK(nodes.group->status.character_device);
  CHECK_FALSE(nodes.cdev);  // vfio-dev/vfio0 is there all the same
  machine.set_device_cdev(true);
  nodes = vfio::nodes_of(machine, read(machine, "0000:05:00.0")).value();
  REQUIRE(nodes.cdev);
  CHECK(nodes.cdev->path == "/dev/vfio/devices/vfio0");
}

TEST_CASE("A device on another driver has no nodes, even if a sibling keeps the group's there") {
  Machine machine;
  machine.add_device({.address = "0000:05:00.1", .group = 24, .driver = "e1000e"});
  const auto nodes = vfio::nodes_of(machine, read(machine, "0000:05:00.1")).value();
  CHECK_FALSE(nodes.group);
  CHECK_FALSE(nodes.cdev);
}

TEST_CASE("In no-IOMMU mode the group's node has another name") {
  Machine machine;
  auto device = read(machine, "0000:05:00.0");
  device.iommu_group = 77;
  machine.set_file("dev/vfio/noiommu-77", "");
  const auto nodes = vfio::nodes_of(machine, device).value();
  REQUIRE(nodes.group);
  CHECK(nodes.group->path == "/dev/vfio/noiommu-77");
}

}  // namespace devbindd::container_test
