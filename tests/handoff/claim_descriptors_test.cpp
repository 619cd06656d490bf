// SPDX-License-Identifier: Apache-2.0
// Which nodes of a claim are opened, in which order, and what their errors mean. The nodes themselves are fake ones.
#include "handoff/claim/claim_descriptors.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"

namespace devbindd::claim_descriptors_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;
using Names = std::vector<std::string>;

struct Machine : ClaimMachine {
  void expect(const std::string& path, int errno_value = 0) const {
    stage->ioctl.expect({.name = "open_node", .errno_value = errno_value, .path = path});
  }
  sysfs::Result<ClaimDescriptors> open(const std::string& id, std::optional<DescriptorWay> way = {}) const {
    std::optional<sysfs::Result<ClaimDescriptors>> answer;
    open_descriptors(*stage->engine, *claims->find(id), way, {.name = "uid 0"},
                     [&answer](sysfs::Result<ClaimDescriptors> opened) { answer = std::move(opened); });
    run_until(stage->io, [&answer] { return answer.has_value(); });
    return std::move(*answer);
  }
};

Names names(const ClaimDescriptors& descriptors) {
  Names found;
  for (const auto& role : descriptors.roles) found.push_back(role.name + " " + role.path);
  return found;
}

}  // namespace

TEST_CASE("By groups: the container, then each group once, with the claim's devices in it") {
  Machine machine;
  const auto id = machine.made(of({pair0, card}));
  for (const auto* path : {"/dev/vfio/vfio", "/dev/vfio/2", "/dev/vfio/1"}) machine.expect(path);
  const auto opened = machine.open(id).value();
  CHECK(opened.way == DescriptorWay::Group);
  CHECK(names(opened) == Names{"container /dev/vfio/vfio", "group /dev/vfio/2", "group /dev/vfio/1"});
  CHECK(opened.roles[1].iommu_group == 2U);
  CHECK(opened.roles[1].devices == std::vector{at(pair0), at(pair1), at(disk)});
  CHECK(opened.open.size() == 3);
  CHECK(machine.stage->ioctl.used_up());
}

TEST_CASE("By devices: iommufd, then each device, and this is the way where the kernel has it") {
  Machine machine;
  machine.kernel->set_device_cdev(true);
  const auto id = machine.made(of({card}));
  const auto cdev = "/dev/vfio/devices/" + machine.stage->inventory.find(at(card))->vfio_device.value();
  for (const auto& path : Names{"/dev/vfio/vfio", "/dev/vfio/1"}) machine.expect(path);
  CHECK(machine.open(id)->way == DescriptorWay::Group);  // without /dev/iommu it would be of no use
  machine.kernel->set_file("dev/iommu", "");
  for (const auto& path : Names{"/dev/iommu", cdev}) machine.expect(path);
  const auto opened = machine.open(id).value();
  CHECK(names(opened) == Names{"iommufd /dev/iommu", "device " + cdev});
  CHECK(opened.roles[1].iommu_group == 1U);
  for (const auto& path : Names{"/dev/vfio/vfio", "/dev/vfio/1"}) machine.expect(path);
  CHECK(machine.open(id, DescriptorWay::Group)->way == DescriptorWay::Group);
}

TEST_CASE("A way that this kernel does not have is told, and nothing is opened") {
  Machine machine;
  const auto id = machine.made(of({card}));
  const auto refused = machine.open(id, DescriptorWay::Cdev);
  CHECK(refused.error().code == ErrorCode::NodeNotFound);
  CHECK(refused.error().message.find(card) != std::string::npos);
}

TEST_CASE("A card that has come in the place of the claimed one is not handed out") {
  Machine machine;
  const auto id = machine.made(of({card}));
  machine.replace_card();
  CHECK(machine.open(id).error().code == ErrorCode::NodeNotFound);
}

TEST_CASE("What the kernel says about a node has a meaning, and keeps its errno") {
  Machine machine;
  const auto id = machine.made(of({card}));
  for (const auto& [errno_value, code] : {std::pair{EBUSY, ErrorCode::DeviceOpen},
                                          {ENOENT, ErrorCode::NodeNotFound},
                                          {ENODEV, ErrorCode::NodeNotFound},
                                          {EPERM, ErrorCode::Kernel}}) {
    machine.expect("/dev/vfio/vfio");
    machine.expect("/dev/vfio/1", errno_value);
    const auto failed = machine.open(id);
    CHECK(failed.error().code == code);
    CHECK(failed.error().errno_value == errno_value);
  }
}

TEST_CASE("A device that is gone has no nodes") {
  Machine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->remove_device(card);
  CHECK(machine.open(id).error().code == ErrorCode::DeviceNotFound);
}

}  // namespace devbindd::claim_descriptors_test
