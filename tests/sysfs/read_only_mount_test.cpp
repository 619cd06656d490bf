// SPDX-License-Identifier: Apache-2.0
// Which mount lies over a path, and whether it can be written.
#include "sysfs/use/read_only_mount.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::read_only_mount_test {

namespace {

using devbindd::sysfs::read_only_mount;
using devbindd::sysfs::read_only_sysfs;
using devbindd::tests::FakeKernel;

const std::string root = "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
const std::string ro = "22 26 0:21 / /sys ro,nosuid shared:7 master:2 - sysfs sysfs rw\n";
const std::string rw = "22 26 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n";

std::string over(const std::string& mounts, const std::string& path = "/sys/bus/pci/drivers") {
  FakeKernel kernel;
  kernel.set_file("proc/self/mountinfo", mounts);
  return read_only_mount(kernel, path).value_or("");
}

}  // namespace

TEST_CASE("The mount that lies over a path decides whether it can be written") {
  CHECK(over(root + rw).empty());
  CHECK(over(root + ro) == "/sys");
  CHECK(over(root + "22 26 0:21 / /sys rw - sysfs sysfs ro\n") == "/sys");  // the file system itself
  CHECK(over("26 1 8:1 / / ro - ext4 /dev/sda1 ro,errors=ro\n") == "/");
  CHECK(over(root + "22 26 0:21 / /sys rw,noro - sysfs sysfs rw,zero\n").empty());
}

TEST_CASE("A mount nearer to the path counts more, and of two at one place the later") {
  CHECK(over(root + ro + "30 22 0:21 /bus/pci /sys/bus/pci rw - sysfs sysfs rw\n").empty());
  CHECK(over(root + rw + "30 22 0:21 /bus/pci /sys/bus/pci ro - sysfs sysfs rw\n") == "/sys/bus/pci");
  CHECK(over(root + ro + rw).empty());
  CHECK(over(root + rw + ro) == "/sys");
  CHECK(over(root + rw + "30 22 0:21 / /sys/bus/pc ro - sysfs sysfs rw\n").empty());
  CHECK(over(root + rw + "30 22 0:21 / /sys\\040x ro - sysfs sysfs rw\n").empty());
}

TEST_CASE("Drivers and devices are both written to") {
  FakeKernel kernel;
  CHECK(!read_only_sysfs(kernel));
  kernel.set_file("proc/self/mountinfo", root + rw + "30 22 0:21 /d /sys/devices ro - sysfs sysfs rw\n");
  CHECK(read_only_sysfs(kernel) == "/sys/devices");
  devbindd::sysfs::Device device;
  device.sysfs_path = "/sys/devices/pci0000:00/0000:00:01.0";
  CHECK(read_only_sysfs(kernel, device) == "/sys/devices");
  kernel.set_file(
      "proc/self/mountinfo",
      root + ro + "30 22 0:21 /d /sys/devices rw - sysfs sysfs rw\n31 22 0:21 /b /sys/bus/pci rw - sysfs s rw\n");
  CHECK(!read_only_sysfs(kernel, device));
  CHECK(!read_only_sysfs(kernel));
}

}  // namespace devbindd::read_only_mount_test
