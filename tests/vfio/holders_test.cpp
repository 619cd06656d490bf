// SPDX-License-Identifier: Apache-2.0
// Who has a VFIO device open: what is sure, what is only possible, and what is somebody else's.
#include "vfio/holders.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::holders_test {

namespace {

using namespace devbindd;
using tests::FakeKernel;
using vfio::find_holders;
using vfio::Holder;
using vfio::HolderQuery;
using Holders = std::vector<Holder>;

const std::string inode = "anon_inode:[vfio-device]";
const std::string mapping = "7f0000000000-7f0000020000 rw-s 00000000 00:0e 2053   " + inode + "\n";
const HolderQuery open_query{.address = {0, 5, 0, 0}, .group = 24, .vfio_device = "vfio0", .device_open = true};
const HolderQuery idle_query{.address = {0, 5, 0, 0}, .group = 24, .vfio_device = "vfio0", .device_open = false};

std::string names(const char* address) {
  return std::string("vfio-device-syspath: /sys/devices/pci0000:00/") + address + "\n";
}

}  // namespace

TEST_CASE("A process that has the group's node or the device's open holds it for sure") {
  FakeKernel kernel;
  kernel.add_process({.pid = 300, .command = "qemu", .descriptors = {{0, {"/dev/null"}}, {7, {"/dev/vfio/24"}}}});
  kernel.add_process({.pid = 20, .command = "dpdk", .descriptors = {{5, {"/dev/vfio/devices/vfio0"}}}});
  kernel.add_process(
      {.pid = 40,
       .command = "other",
       .descriptors = {{5, {"/dev/vfio/2"}}, {6, {"/dev/vfio/devices/vfio01"}}, {7, {"/dev/vfio/vfio"}}}});
  CHECK(find_holders(kernel, idle_query).value() ==
        Holders{{20, "dpdk", "/dev/vfio/devices/vfio0", true}, {300, "qemu", "/dev/vfio/24", true}});
}

TEST_CASE("The node of a no-IOMMU group counts as well") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "dpdk", .descriptors = {{5, {"/dev/vfio/noiommu-24"}}}});
  CHECK(find_holders(kernel, idle_query).value() == Holders{{7, "dpdk", "/dev/vfio/noiommu-24", true}});
}

TEST_CASE("Each kind of descriptor is named once for a process") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7,
                      .command = "vmm",
                      .descriptors = {{5, {"/dev/vfio/24"}},
                                      {6, {"/dev/vfio/24"}},
                                      {7, {inode, names("0000:05:00.0")}},
                                      {8, {inode, names("0000:05:00.0")}}}});
  CHECK(find_holders(kernel, open_query).value() == Holders{{7, "vmm", "/dev/vfio/24", true}, {7, "vmm", inode, true}});
}

TEST_CASE("A device descriptor that names its device is sure, or another device's") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "mine", .descriptors = {{5, {inode, names("0000:05:00.0")}}}});
  kernel.add_process({.pid = 8, .command = "theirs", .descriptors = {{5, {inode, names("0000:06:00.0")}}}});
  kernel.add_process({.pid = 9, .command = "longer", .descriptors = {{5, {inode, names("10000:05:00.0")}}}});
  CHECK(find_holders(kernel, open_query).value() == Holders{{7, "mine", inode, true}});
}

TEST_CASE("A device descriptor that names nothing is only possible") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "vmm", .descriptors = {{5, {inode}}}});
  CHECK(find_holders(kernel, open_query).value() == Holders{{7, "vmm", inode, false}});
  CHECK(find_holders(kernel, idle_query).value().empty());
}

TEST_CASE("A mapping alone may hold the device") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "mapper", .descriptors = {}, .maps = mapping});
  CHECK(find_holders(kernel, open_query).value() == Holders{{7, "mapper", inode, false}});
  CHECK(find_holders(kernel, idle_query).value().empty());
}

TEST_CASE("What is possible is dropped where something is sure") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "unnamed", .descriptors = {{5, {inode}}}, .maps = mapping});
  kernel.add_process({.pid = 8, .command = "sure", .descriptors = {{5, {"/dev/vfio/24"}}}});
  CHECK(find_holders(kernel, open_query).value() == Holders{{8, "sure", "/dev/vfio/24", true}});
}

TEST_CASE("What is no process, or vanishes meanwhile, is left out") {
  FakeKernel kernel;
  kernel.add_process({.pid = 7, .command = "vmm", .descriptors = {{5, {"/dev/vfio/24"}}}});
  kernel.set_file("proc/self-made/fd/5", "");
  kernel.set_file("proc/123x/comm", "odd");
  kernel.set_file("proc/55/comm", "hidden\n");  // its descriptors may not be listed
  CHECK(find_holders(kernel, open_query).value() == Holders{{7, "vmm", "/dev/vfio/24", true}});
}

TEST_CASE("A process that has no name left is still a holder") {
  struct Nameless : FakeKernel {
    sysfs::Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override {
      if (path.ends_with("/comm")) return sysfs::fail(sysfs::ErrorCode::Kernel, "gone", ESRCH);
      return FakeKernel::read(path, limit);
    }
  };
  Nameless gone;
  gone.add_process({.pid = 7, .command = "vmm", .descriptors = {{5, {"/dev/vfio/24"}}}});
  CHECK(find_holders(gone, idle_query).value() == Holders{{7, "?", "/dev/vfio/24", true}});
}

TEST_CASE("A query without group and device asks for nothing but descriptors that may be its own") {
  FakeKernel kernel;
  kernel.add_process(
      {.pid = 7, .command = "vmm", .descriptors = {{5, {"/dev/vfio/24"}}, {6, {inode, names("0000:05:00.0")}}}});
  CHECK(find_holders(kernel, {.address = {0, 5, 0, 0}, .group = {}, .vfio_device = {}, .device_open = true}).value() ==
        Holders{{7, "vmm", inode, true}});
  CHECK(find_holders(kernel, {.address = {0, 5, 0, 0}, .group = {}, .vfio_device = {}, .device_open = false})
            .value()
            .empty());
}

}  // namespace devbindd::holders_test
