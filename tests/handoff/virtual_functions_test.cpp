// SPDX-License-Identifier: Apache-2.0
// The number of a PF's VFs as one change, on a kernel that creates and destroys them.
#include "handoff/plan/virtual_functions.hpp"

#include <linux/vfio.h>

#include <algorithm>
#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::virtual_functions_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

std::vector<std::string> writes(const FakeKernel& kernel) {
  std::vector<std::string> texts;
  for (const auto& write : kernel.writes()) {
    const auto path = write.path.substr(write.path.find_last_of('/', write.path.find_last_of('/') - 1) + 1);
    texts.push_back(path + " " + (write.value == "\n" ? "-" : write.value));
  }
  return texts;
}

std::vector<std::string> blockers(Stage& stage, const ChangeRequest& request) {
  const auto decision = stage.decide(request);
  const auto* refusal = std::get_if<Refusal>(&decision);
  if (refusal == nullptr) return {"accepted"};
  return codes(refusal->evidence);
}

}  // namespace

TEST_CASE("VFs for VFIO come while no driver may take them by itself, and autoprobe is as it was afterwards") {
  Stage stage(sriov_machine());
  const auto document = stage.carry_out(functions_request(physical, 2));
  INFO(document.dump(1));
  CHECK(document["state"] == "succeeded");
  CHECK(writes(stage.kernel) == std::vector<std::string>{physical + "/sriov_drivers_autoprobe 0",
                                                         physical + "/sriov_numvfs 2",
                                                         vf0 + "/driver_override vfio-pci", "vfio-pci/bind " + vf0,
                                                         vf1 + "/driver_override vfio-pci", "vfio-pci/bind " + vf1,
                                                         physical + "/sriov_drivers_autoprobe 1"});
  CHECK(stage.kernel.bindings().at(vf1) == "vfio-pci override vfio-pci");
  CHECK(stage.kernel.bindings().at(physical) == "igb override -");
  CHECK(document["request"]["vfs"] == 2);
  CHECK(document["devices"][0]["functions_after"]["vfs"] == 2);
  CHECK(document["devices"][1]["present_before"] == false);
  CHECK(stage.engine->originals().all().empty());

  stage.kernel.forget_writes();
  CHECK(std::holds_alternative<Unchanged>(stage.decide(functions_request(physical, 2))));
  CHECK(std::holds_alternative<Unchanged>(stage.decide(functions_request(physical, 2, ""))));
  CHECK(stage.carry_out(functions_request(physical, 0, ""))["state"] == "succeeded");
  CHECK(writes(stage.kernel) ==
        std::vector<std::string>{"vfio-pci/unbind " + vf0, "vfio-pci/unbind " + vf1, physical + "/sriov_numvfs 0"});
  CHECK_FALSE(stage.kernel.has_device(vf0));
}

TEST_CASE("Autoprobe that was off stays off, and is what is asked for") {
  Stage stage(sriov_machine());
  auto request = functions_request(physical, 1, "");
  request.functions->autoprobe = false;
  CHECK(stage.carry_out(request)["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "- override -");
  CHECK(stage.kernel.bindings().at(physical) == "igb override - autoprobe off");
  stage.kernel.forget_writes();
  CHECK(stage.carry_out(functions_request(physical, 2))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(physical) == "igb override - autoprobe off");
  CHECK(std::ranges::count(writes(stage.kernel), physical + "/sriov_drivers_autoprobe 0") == 0);
  request = functions_request(physical, 2);
  request.functions->autoprobe = true;
  CHECK(stage.carry_out(request)["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(physical) == "igb override -");
}

TEST_CASE("Autoprobe that was taken for VFs without a driver is given back with them, one that was asked for is not") {
  Stage stage(sriov_machine());
  auto none = functions_request(physical, 1, "none");
  const bool asked = GENERATE(false, true);
  if (asked) none.functions->autoprobe = false;
  CHECK(stage.carry_out(none)["state"] == "succeeded");
  CHECK_FALSE(stage.kernel.device(physical).drivers_autoprobe);
  CHECK(stage.carry_out(functions_request(physical, 2, "none"))["state"] == "succeeded");
  CHECK_FALSE(stage.kernel.device(physical).drivers_autoprobe);
  CHECK(stage.carry_out(functions_request(physical, 0, ""))["state"] == "succeeded");
  CHECK(stage.kernel.device(physical).drivers_autoprobe == !asked);
}

TEST_CASE("VFs can be left to the kernel, bound to their own driver, or to none") {
  Stage stage(sriov_machine());
  CHECK(stage.carry_out(functions_request(physical, 2, ""))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "igbvf override -");
  CHECK(stage.carry_out(functions_request(physical, 1, "none"))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "- override -");
  CHECK_FALSE(stage.kernel.has_device(vf1));
  CHECK(stage.carry_out(functions_request(physical, 3, "igbvf"))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf2) == "igbvf override -");
}

TEST_CASE("VFs that stay are moved like any device, and can be given back") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2, ""));
  CHECK(stage.carry_out(functions_request(physical, 2))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
  CHECK(stage.engine->originals().all().size() == 2);
  CHECK(stage.carry_out(request_of(ChangeKind::Restore, vf0))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "igbvf override -");
  CHECK(stage.carry_out(functions_request(physical, 2, "none"))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf1) == "- override -");
}

TEST_CASE("What devbindd knew of a VF is forgotten with it, and kept where the VF comes back") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 1, ""));
  stage.carry_out(bind_request(vf0));
  REQUIRE(stage.engine->originals().all().contains(at(vf0)));
  SECTION("it comes back") {
    stage.kernel.refuse_probe("vfio-pci", vf1, EIO);
    const auto document = stage.carry_out(functions_request(physical, 2));
    CHECK(document["state"] == "failed");
    CHECK(document["error"]["restored"] == true);
    CHECK(document["error"]["errno"] == "EIO");
    CHECK(stage.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
    CHECK(stage.carry_out(request_of(ChangeKind::Restore, vf0))["state"] == "succeeded");
    CHECK(stage.kernel.bindings().at(vf0) == "igbvf override -");
  }
  SECTION("another one is at its place") {
    CHECK(stage.carry_out(functions_request(physical, 2))["state"] == "succeeded");
    CHECK(stage.engine->originals().all().empty());
    CHECK(stage.refused(request_of(ChangeKind::Restore, vf0)).error.code == sysfs::ErrorCode::NothingToRestore);
  }
}

TEST_CASE("What keeps a device from having so many VFs is said before anything is written") {
  Stage stage(sriov_machine());
  using Codes = std::vector<std::string>;
  CHECK(blockers(stage, functions_request(card, 1)) == Codes{"sriov.absent"});
  CHECK(blockers(stage, functions_request(card, 0, "")) == Codes{"sriov.absent"});
  CHECK(blockers(stage, functions_request(physical, 5)) == Codes{"sriov.too_many"});
  CHECK(blockers(stage, functions_request(physical, 1, "nonsense")) == Codes{"driver.absent"});
  CHECK(blockers(stage, functions_request(physical, 1, "e1000e")) == Codes{"driver.no_match"});
  CHECK(blockers(stage, functions_request(physical, 0, "e1000e")) == Codes{"accepted"});
  stage.carry_out(accepting(request_of(ChangeKind::Unbind, physical), {}));
  CHECK(blockers(stage, functions_request(physical, 1)) == Codes{"sriov.no_driver"});
  stage.carry_out(bind_request(physical));
  CHECK(blockers(stage, functions_request(physical, 1)) == Codes{"sriov.no_driver"});
  stage.kernel.add_device({.address = "0000:0c:00.0", .device = 0x10c9, .driver = "igb", .totalvfs = 2});
  CHECK(blockers(stage, functions_request("0000:0c:00.0", 1)) == Codes{"iommu.absent"});
  stage.kernel.add_device({.address = "0000:0d:00.0", .group = 13, .driver = "igb", .totalvfs = 2, .vf_offset = 0});
  CHECK(blockers(stage, functions_request("0000:0d:00.0", 1)) == Codes{"sriov.too_many"});
  stage.kernel.forget_writes();
  CHECK(stage.kernel.writes().empty());
}

TEST_CASE("vfio-pci lets its PFs have VFs where enable_sriov says so, and means them for itself") {
  Stage stage(sriov_machine());
  stage.kernel.set_vfio_sriov(true);
  stage.carry_out(bind_request(physical));
  CHECK(stage.carry_out(functions_request(physical, 1))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
  stage.kernel.refuse_probe("vfio-pci", vf1, EIO);
  const auto before = stage.kernel.bindings();
  CHECK(stage.carry_out(functions_request(physical, 2))["error"]["restored"] == true);
  CHECK(stage.kernel.bindings() == before);
}

TEST_CASE("VFs in use keep their number: it is told which, and by whom") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2));
  stage.kernel.open_device(vf1, 4711, "qemu");
  for (const unsigned count : {0U, 1U, 3U}) {
    const auto refusal = stage.refused(accepting(functions_request(physical, count), {"vfio.open"}));
    REQUIRE(codes(refusal.evidence) == std::vector<std::string>{"sriov.vf_in_use"});
    CHECK(refusal.evidence[0].path == std::vector<std::string>{vf1});
    CHECK(refusal.evidence[0].processes[0].command == "qemu");
    CHECK_FALSE(refusal.evidence[0].acceptable);
  }
  CHECK(std::holds_alternative<Unchanged>(stage.decide(functions_request(physical, 2))));
  CHECK(stage.refused(functions_request(physical, 2, "igbvf")).evidence[0].code == "vfio.open");
}

TEST_CASE("VFs that a claim holds keep their number, and being told the number is no news") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2));
  stage.engine->set_claim_lookup(
      [](const sysfs::Device& device) { return device.address == at(vf0) ? std::string("c1") : std::string{}; });
  CHECK(blockers(stage, functions_request(physical, 0, "")).front() == "claim.held");
  CHECK(std::holds_alternative<Unchanged>(stage.decide(functions_request(physical, 2))));
}

TEST_CASE("While the number of VFs changes, nobody else moves the family") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2));
  stage.kernel.block("sys/bus/pci/devices/" + physical + "/sriov_numvfs");
  const auto id = std::get<Accepted>(stage.decide(functions_request(physical, 1))).operation;
  CHECK(stage.settled(id)["state"] == "blocked");
  for (const auto& request :
       {bind_request(vf0, "igbvf"), request_of(ChangeKind::Unbind, physical), functions_request(physical, 0)}) {
    const auto refusal = stage.refused(request);
    CHECK(refusal.error.code == sysfs::ErrorCode::OperationInProgress);
    CHECK(refusal.operation == id);
  }
  stage.kernel.unblock("sys/bus/pci/devices/" + physical + "/sriov_numvfs");
  stage.workers.resume();
  run_until(stage.io, [&] { return document_of(*stage.engine, id)["state"] == "succeeded"; });
  CHECK_FALSE(stage.kernel.has_device(vf1));
}

TEST_CASE("VFs that go with their PF while they are counted end the operation as gone") {
  Stage stage(sriov_machine());
  stage.kernel.before_nth_write(3, [&stage] {
    stage.kernel.remove_device(vf0);
    stage.kernel.remove_device(vf1);
    stage.kernel.remove_device(physical);
  });
  const auto document = stage.carry_out(functions_request(physical, 2));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "device_gone");
}

TEST_CASE("A VF that does not come back is told as not restored") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 1));
  stage.kernel.forget_writes();
  // Autoprobe, the unbind, and the way by 0 come first.
  stage.kernel.fail_nth_write(4, EIO);  // creating two
  stage.kernel.fail_nth_write(5, EIO);  // creating the one of before
  const auto document = stage.carry_out(functions_request(physical, 2));
  INFO(document.dump(1));
  CHECK(document["error"]["code"] == "restore_failed");
  CHECK(document["error"]["restored"] == false);
  const auto unrestored = document["error"]["unrestored"].get<std::vector<std::string>>();
  CHECK(std::ranges::find(unrestored, vf0) != unrestored.end());
  CHECK(std::ranges::find(unrestored, physical) != unrestored.end());
}

TEST_CASE("A VF that is opened before its unbind holds up that alone, and the operation says who has it") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2));
  stage.kernel.forget_writes();
  stage.kernel.before_nth_write(1, [&stage] { stage.kernel.open_device(vf1, 4711, "qemu"); });
  const auto id = std::get<Accepted>(stage.decide(functions_request(physical, 0, ""))).operation;
  const auto document = stage.settled(id);
  INFO(document.dump(1));
  REQUIRE(document["state"] == "blocked");
  CHECK(document["steps"][document["blocked"]["step"].get<std::size_t>()]["action"] == "unbind");
  CHECK(document["blocked"]["holders"][0]["command"] == "qemu");
  CHECK(stage.kernel.has_device(vf0));
  stage.kernel.close_device(vf1);
  stage.workers.resume();
  run_until(stage.io, [&] { return document_of(*stage.engine, id)["state"] == "succeeded"; });
}

TEST_CASE("The undo of created VFs waits at one that was opened, and not with all of PCI") {
  Stage stage(sriov_machine());
  stage.kernel.refuse_probe("vfio-pci", vf1, EIO);
  stage.kernel.before_nth_write(6, [&stage] { stage.kernel.open_device(vf0, 4711, "qemu"); });
  const auto id = std::get<Accepted>(stage.decide(functions_request(physical, 2))).operation;
  const auto document = stage.settled(id);
  INFO(document.dump(1));
  REQUIRE(document["state"] == "blocked");
  CHECK(document["blocked"]["holders"][0]["command"] == "qemu");
  CHECK(stage.kernel.writes().back().path != "sys/bus/pci/devices/" + physical + "/sriov_numvfs");
  stage.kernel.close_device(vf0);
  stage.workers.resume();
  run_until(stage.io, [&] { return document_of(*stage.engine, id)["state"] == "failed"; });
  CHECK(document_of(*stage.engine, id)["error"]["restored"] == true);
  CHECK_FALSE(stage.kernel.has_device(vf0));
}

TEST_CASE("VFs that come to sit elsewhere than foreseen are not written to, and go again") {
  Stage stage(sriov_machine());
  stage.kernel.set_file("sys/devices/pci0000:00/" + physical + "/sriov_offset", "256\n");
  const auto document = stage.carry_out(functions_request(physical, 2));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["detail"].get<std::string>().contains("elsewhere"));
  CHECK(document["error"]["restored"] == true);
  for (const auto& write : stage.kernel.writes()) CHECK_FALSE(write.path.ends_with("driver_override"));
  CHECK_FALSE(stage.kernel.has_device(vf0));
}

TEST_CASE("A change of autoprobe alone does not settle a VF that was left incomplete") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2, ""));
  stage.kernel.refuse_probe("vfio-pci", vf0, EIO);
  stage.kernel.refuse_probe("igbvf", vf0, EIO);
  const auto left = stage.carry_out(bind_request(vf0))["id"].get<std::string>();
  CHECK(stage.engine->originals().left_incomplete_by(at(vf0)) == left);
  auto request = functions_request(physical, 2, "");
  request.functions->autoprobe = false;
  CHECK(stage.carry_out(request)["state"] == "succeeded");
  CHECK(stage.engine->originals().left_incomplete_by(at(vf0)) == left);
}

TEST_CASE("A VF that is opened just before it goes holds the operation up, which says who has it") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2));
  stage.kernel.before_nth_write(1, [&stage] { stage.kernel.open_device(vf1, 4711, "qemu"); });
  stage.kernel.block("sys/bus/pci/devices/" + physical + "/sriov_numvfs");
  const auto id = std::get<Accepted>(stage.decide(functions_request(physical, 1))).operation;
  const auto document = stage.settled(id);
  INFO(document.dump(1));
  REQUIRE(document["state"] == "blocked");
  REQUIRE(document["blocked"]["holders"].size() > 0);
  CHECK(document["blocked"]["holders"][0]["command"] == "qemu");
  stage.kernel.close_device(vf1);
  stage.kernel.unblock("sys/bus/pci/devices/" + physical + "/sriov_numvfs");
  stage.workers.resume();
  run_until(stage.io, [&] { return document_of(*stage.engine, id)["state"] == "succeeded"; });
}

TEST_CASE("Where VFs come to sit need not be known when the kernel chooses their driver") {
  Stage stage(sriov_machine());
  stage.kernel.add_device({.address = "0000:0d:00.0", .device = 0x10c9, .group = 13, .driver = "igb", .totalvfs = 2});
  stage.kernel.set_file("sys/devices/pci0000:00/0000:0d:00.0/sriov_offset", "0\n");
  CHECK(blockers(stage, functions_request("0000:0d:00.0", 1)) == std::vector<std::string>{"sriov.too_many"});
  CHECK(stage.carry_out(functions_request("0000:0d:00.0", 2, ""))["state"] == "succeeded");
  CHECK(stage.kernel.bindings().at("0000:0d:10.2") == "igbvf override -");
  stage.kernel.fail_nth_write(2, EIO);
  const auto before = stage.kernel.bindings();
  CHECK(stage.carry_out(functions_request("0000:0d:00.0", 1, ""))["error"]["restored"] == true);
  CHECK(stage.kernel.bindings() == before);
}

TEST_CASE("VFs that went with their PF's driver are not told as restored") {
  Stage stage(sriov_machine());
  stage.carry_out(functions_request(physical, 2, ""));
  stage.kernel.refuse_probe("pci-stub", physical, EIO);
  stage.kernel.add_driver({.name = "pci-stub"});
  const auto document =
      stage.carry_out(accepting(bind_request(physical, "pci-stub"), {"sriov.vfs_enabled", "driver.no_match"}));
  INFO(document.dump(1));
  CHECK(document["state"] == "failed");
  CHECK(stage.kernel.bindings().at(physical) == "igb override -");
  CHECK(document["error"]["code"] == "restore_failed");
  CHECK(document["error"]["restored"] == false);
  CHECK(document["error"]["unrestored"][0] == physical);
}

TEST_CASE("A VF token is set before the VFs are made, and stands nowhere") {
  Stage stage(sriov_machine());
  stage.kernel.set_vfio_sriov(true);
  stage.carry_out(bind_request(physical));
  const auto expect_opening = [&stage](int errno_value) {
    stage.ioctl.expect({.name = "open_container"});
    stage.ioctl.expect({.name = "open_node", .path = "/dev/vfio/11"});
    stage.ioctl.expect({.name = "call", .number = VFIO_GROUP_SET_CONTAINER});
    stage.ioctl.expect({.name = "call", .number = VFIO_SET_IOMMU});
    stage.ioctl.expect({.name = "call", .number = VFIO_GROUP_GET_DEVICE_FD, .answer = -1, .errno_value = errno_value});
  };
  auto request = functions_request(physical, 1);
  request.functions->vf_token = "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b";
  SECTION("it is set") {
    expect_opening(0);
    const auto document = stage.carry_out(request);
    CHECK(document["state"] == "succeeded");
    CHECK(document["steps"][1]["action"] == "set_vf_token");
    CHECK_FALSE(document.dump().contains("3f8e1c52"));
    CHECK(stage.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
  }
  SECTION("it is not") {
    expect_opening(EPERM);
    const auto document = stage.carry_out(request);
    CHECK(document["state"] == "failed");
    CHECK(document["error"]["errno"] == "EPERM");
    CHECK(document["error"]["restored"] == true);
    CHECK_FALSE(stage.kernel.has_device(vf0));
  }
  CHECK(stage.ioctl.used_up());
}

}  // namespace devbindd::virtual_functions_test
