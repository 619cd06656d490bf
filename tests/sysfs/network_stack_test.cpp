// SPDX-License-Identifier: Apache-2.0
// What is stacked on a network interface, by the links of sysfs.
#include "sysfs/use/network_stack.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::network_stack_test {

namespace {

using devbindd::sysfs::add_uppers;
using devbindd::sysfs::InterfacePath;
using devbindd::sysfs::NetworkInterface;
using devbindd::sysfs::stacked_interfaces;
using devbindd::tests::FakeKernel;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("What is stacked on an interface is found through every level") {
  FakeKernel kernel;
  kernel.add_driver({.name = "e1000e"});
  kernel.add_device({.address = "0000:05:00.0", .driver = "e1000e", .interfaces = {"eth0"}});
  kernel.stack_interface("eth0", "bond0");
  kernel.stack_interface("bond0", "bond0.100");
  kernel.stack_interface("bond0", "br0");
  CHECK(stacked_interfaces(kernel, "eth0") ==
        std::vector<InterfacePath>{
            {"eth0"}, {"eth0", "bond0"}, {"eth0", "bond0", "bond0.100"}, {"eth0", "bond0", "br0"}});
  CHECK(stacked_interfaces(kernel, "gone") == std::vector<InterfacePath>{{"gone"}});
}

TEST_CASE("A ring of stacked interfaces ends, and so does a tower") {
  FakeKernel kernel;
  kernel.stack_interface("a", "b");
  kernel.stack_interface("b", "a");
  CHECK(stacked_interfaces(kernel, "a").size() == 2);
  for (int level = 0; level < 30; ++level)
    kernel.stack_interface("t" + std::to_string(level), "t" + std::to_string(level + 1));
  CHECK(stacked_interfaces(kernel, "t0").size() == 16);
  for (const auto* lower : {"p", "q", "r", "s", "u", "v"}) {
    for (const auto* upper : {"p", "q", "r", "s", "u", "v"}) {
      if (std::string(lower) != upper) kernel.stack_interface(lower, upper);
    }
  }
  CHECK(stacked_interfaces(kernel, "p").size() == 256);
}

TEST_CASE("Uppers are read of what stands on a device, at every level, and of nothing else") {
  FakeKernel kernel;
  kernel.stack_interface("eth0", "vx7");
  kernel.stack_interface("vx7", "vlan7");
  kernel.stack_interface("dummy0", "vlan8");
  std::vector<NetworkInterface> interfaces = {{.index = 2, .name = "eth0", .parent_device = "0000:05:00.0"},
                                              {.index = 3, .name = "vx7"},
                                              {.index = 4, .name = "vlan7"},
                                              {.index = 5, .name = "dummy0"}};
  add_uppers(kernel, interfaces);
  CHECK(interfaces[0].uppers == Names{"vx7"});
  CHECK(interfaces[1].uppers == Names{"vlan7"});
  CHECK(interfaces[2].uppers.empty());
  CHECK(interfaces[3].uppers.empty());
}

}  // namespace devbindd::network_stack_test
