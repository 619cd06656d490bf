// SPDX-License-Identifier: Apache-2.0
// The engine on a whole machine: requests in, the kernel's state and the records out.
#include "handoff/operation/engine.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::engine_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using Writes = std::vector<FakeWrite>;

const std::string devices = "sys/bus/pci/devices/";
const std::string drivers = "sys/bus/pci/drivers/";

std::string override_file(const std::string& address) { return devices + address + "/driver_override"; }

struct Machine : Stage {
  explicit Machine(bool read_only = false) : Stage(usual_machine(), ":memory:", "boot-1", read_only) {}
};

}  // namespace

TEST_CASE("A device is bound by override, and given back as it was") {
  Machine machine;
  const auto before = machine.kernel.bindings();

  const auto bound = machine.carry_out(bind_request(card));
  CHECK(bound["state"] == "succeeded");
  CHECK(machine.kernel.writes() == Writes{{override_file(card), "vfio-pci"},
                                          {drivers + "e1000e/unbind", card},
                                          {drivers + "vfio-pci/bind", card}});
  CHECK(machine.kernel.bindings().at(card) == "vfio-pci override vfio-pci");
  REQUIRE(machine.engine->originals().all().contains(at(card)));
  CHECK(machine.engine->originals().all().at(at(card)).driver == "e1000e");

  machine.kernel.forget_writes();
  const auto restored = machine.carry_out(request_of(ChangeKind::Restore, card));
  CHECK(restored["state"] == "succeeded");
  CHECK(machine.kernel.writes() == Writes{{override_file(card), "e1000e"},
                                          {drivers + "vfio-pci/unbind", card},
                                          {drivers + "e1000e/bind", card},
                                          {override_file(card), "\n"}});
  CHECK(machine.kernel.bindings() == before);
  CHECK(machine.engine->originals().all().empty());
  CHECK_FALSE(machine.engine->operations().is_busy());
}

TEST_CASE("A group is bound as a whole, its bridge stays, and one give-back returns all of it") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  const auto bound = machine.carry_out(bind_request("0000:07:00.1", "vfio-pci", Scope::Group));
  CHECK(bound["state"] == "succeeded");
  CHECK(machine.kernel.writes() == Writes{{override_file("0000:07:00.0"), "vfio-pci"},
                                          {override_file("0000:07:00.1"), "vfio-pci"},
                                          {override_file("0000:07:00.2"), "vfio-pci"},
                                          {drivers + "e1000e/unbind", "0000:07:00.0"},
                                          {drivers + "nvme/unbind", "0000:07:00.2"},
                                          {drivers + "vfio-pci/bind", "0000:07:00.0"},
                                          {drivers + "vfio-pci/bind", "0000:07:00.1"},
                                          {drivers + "vfio-pci/bind", "0000:07:00.2"}});
  CHECK(machine.kernel.bindings().at("0000:06:00.0") == "pcieport override -");

  machine.kernel.forget_writes();
  CHECK(machine.carry_out(request_of(ChangeKind::Restore, "0000:07:00.0"))["state"] == "succeeded");
  CHECK(machine.kernel.bindings() == before);
  CHECK(machine.engine->originals().all().empty());
}

TEST_CASE("A device is bound by its ID, which does not stay behind") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  CHECK(machine.carry_out(new_id_request("0000:08:00.0"))["state"] == "succeeded");
  CHECK(machine.kernel.writes() == Writes{{drivers + "igb/unbind", "0000:08:00.0"},
                                          {drivers + "vfio-pci/new_id", "8086 10c9"},
                                          {drivers + "vfio-pci/remove_id", "8086 10c9"}});
  CHECK(machine.kernel.bindings().at("0000:08:00.0") == "vfio-pci override -");
  CHECK(machine.kernel.driver("vfio-pci")->dynamic_ids.empty());
  CHECK(machine.carry_out(request_of(ChangeKind::Restore, "0000:08:00.0"))["state"] == "succeeded");
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("An ID that captures more than the device asked for must be accepted") {
  Machine machine;
  machine.kernel.add_device({.address = "0000:0a:00.0", .group = 9});
  const auto refusal = machine.refused(new_id_request(card));
  REQUIRE(refusal.error.code == sysfs::ErrorCode::Refused);
  REQUIRE(refusal.evidence.size() == 1);
  CHECK(refusal.evidence.front().code == "driver.id_captures");
  CHECK(machine.kernel.writes().empty());

  const auto request = accepting(new_id_request(card), {"driver.id_captures"});
  CHECK(machine.carry_out(request)["state"] == "succeeded");
  CHECK(machine.kernel.writes() == Writes{{drivers + "e1000e/unbind", card},
                                          {drivers + "vfio-pci/new_id", "8086 10d3"},
                                          {drivers + "vfio-pci/remove_id", "8086 10d3"}});
  CHECK(machine.kernel.device(card).driver == "vfio-pci");
  CHECK(machine.kernel.device("0000:0a:00.0").driver == "vfio-pci");
  CHECK(machine.kernel.driver("vfio-pci")->dynamic_ids.empty());

  // The captured one can be given back too: it had no driver.
  CHECK(machine.carry_out(request_of(ChangeKind::Restore, "0000:0a:00.0"))["state"] == "succeeded");
  CHECK(machine.kernel.bindings().at("0000:0a:00.0") == "- override -");
}

TEST_CASE("An ID that the driver had before stays") {
  Machine machine;
  REQUIRE(machine.kernel.write(drivers + "vfio-pci/new_id", "8086 0953"));
  const auto document = machine.carry_out(new_id_request("0000:07:00.2"));
  CHECK(document["state"] == "succeeded");
  CHECK(document["steps"].back()["state"] == "skipped");
  CHECK(machine.kernel.driver("vfio-pci")->dynamic_ids.size() == 1);
}

TEST_CASE("What is as asked already takes no operation") {
  Machine machine;
  const auto request = GENERATE(bind_request(card, "e1000e"), request_of(ChangeKind::Unbind, "0000:07:00.1"),
                                request_of(ChangeKind::ClearOverride, card), request_of(ChangeKind::Restore, card));
  const auto decision = machine.decide(request);
  REQUIRE(std::holds_alternative<Unchanged>(decision));
  CHECK(documents_of(*machine.engine).empty());
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("A dry run shows the plan and writes nothing") {
  Machine machine;
  const auto decision = machine.decide(bind_request(card), true);
  const auto* preview = std::get_if<Preview>(&decision);
  REQUIRE(preview != nullptr);
  CHECK(preview->refused_by.empty());
  CHECK(preview->plan.steps.size() == 3);
  CHECK(machine.kernel.writes().empty());
  CHECK(documents_of(*machine.engine).empty());
  CHECK(machine.engine->originals().all().empty());

  const auto refused = machine.decide(bind_request("0000:09:00.0"), true);
  REQUIRE(std::holds_alternative<Preview>(refused));
  CHECK(std::get<Preview>(refused).refused_by.front().code == "iommu.absent");
}

TEST_CASE("A read-only daemon changes nothing, yet shows plans") {
  Machine machine(true);
  CHECK(machine.refused(bind_request(card)).error.code == sysfs::ErrorCode::ReadOnly);
  CHECK(std::holds_alternative<Preview>(machine.decide(bind_request(card), true)));
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("A stopping daemon takes no more requests") {
  Machine machine;
  machine.engine->stop_accepting();
  CHECK(machine.refused(bind_request(card)).error.code == sysfs::ErrorCode::ShuttingDown);
}

TEST_CASE("A request for a device that is not there is refused") {
  Machine machine;
  CHECK(machine.refused(bind_request("0000:44:00.0")).error.code == sysfs::ErrorCode::DeviceNotFound);
}

TEST_CASE("A probe that fails brings the earlier state back and tells why") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  machine.kernel.refuse_probe("vfio-pci", card, EINVAL);
  const auto document = machine.carry_out(bind_request(card));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "bind_failed");
  CHECK(document["error"]["errno"] == "EINVAL");
  CHECK(document["error"]["step"]["action"] == "bind");
  CHECK(document["error"]["restored"] == true);
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("A bind that says it worked and did not is caught by reading back") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  machine.kernel.probe_lies("vfio-pci", card);
  const auto document = machine.carry_out(bind_request(card));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "bind_failed");
  CHECK(document["error"]["step"].is_null());
  CHECK(document["error"]["restored"] == true);
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("A device that vanishes between two writes ends the operation, and not the daemon") {
  for (std::size_t nth = 1; nth <= 3; ++nth) {
    CAPTURE(nth);
    Machine machine;
    machine.kernel.before_nth_write(nth, [&machine] { machine.kernel.remove_device(card); });
    const auto document = machine.carry_out(bind_request(card));
    CHECK(document["state"] == "failed");
    CHECK(document["error"]["code"] == "device_gone");
    CHECK(document["error"]["detail"].get<std::string>().starts_with(card + " vanished"));
    CHECK(document["error"]["restored"] == false);
    CHECK(document["error"]["undo_failures"].empty());
    CHECK(machine.engine->originals().all().empty());
    CHECK(machine.engine->operations().id_on(at(card)).empty());
    CHECK(machine.refused(bind_request(card)).error.code == sysfs::ErrorCode::DeviceNotFound);
    CHECK(machine.carry_out(bind_request("0000:07:00.0"))["state"] == "succeeded");
  }
}

TEST_CASE("A group of which one device vanishes brings the others back") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  machine.kernel.before_nth_write(6, [&machine] { machine.kernel.remove_device("0000:07:00.2"); });
  const auto document = machine.carry_out(bind_request("0000:07:00.0", "vfio-pci", Scope::Group));
  CHECK(document["error"]["code"] == "device_gone");
  CHECK(document["error"]["undo_failures"].empty());
  CHECK(machine.kernel.bindings().at("0000:07:00.0") == before.at("0000:07:00.0"));
  CHECK(machine.kernel.bindings().at("0000:07:00.1") == before.at("0000:07:00.1"));
}

TEST_CASE("Somebody else's change between two writes fails the operation") {
  Machine machine;
  machine.kernel.before_nth_write(2, [&machine] { (void)machine.kernel.write(drivers + "e1000e/unbind", card); });
  const auto document = machine.carry_out(bind_request(card));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["errno"] == "ENODEV");
  CHECK(machine.kernel.bindings().at(card) == "e1000e override -");
}

TEST_CASE("A default route is protected, also through a bond, unless the risk is accepted") {
  Machine machine;
  machine.kernel.stack_interface("eth0", "bond0");
  machine.kernel.set_file(
      "proc/net/route",
      "Iface\tDestination\tGateway\tFlags\nbond0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  const auto refusal = machine.refused(bind_request(card));
  REQUIRE(refusal.error.code == sysfs::ErrorCode::Refused);
  REQUIRE(refusal.evidence.size() == 1);
  CHECK(refusal.evidence.front().code == "net.default_route");
  CHECK(refusal.evidence.front().path == std::vector<std::string>{"eth0", "bond0"});
  CHECK(machine.refused(accepting(bind_request(card), {"vfio.open"})).error.code == sysfs::ErrorCode::Refused);
  const auto document = machine.carry_out(accepting(bind_request(card), {"net.default_route"}));
  CHECK(document["state"] == "succeeded");
  CHECK(document["evidence"][0]["code"] == "net.default_route");
}

TEST_CASE("What the kernel cannot do is not done, whatever is accepted") {
  Machine machine;
  const auto no_group = machine.refused(accepting(bind_request("0000:09:00.0"), {"iommu.absent"}));
  CHECK(no_group.evidence.front().code == "iommu.absent");
  const auto bridge = machine.refused(accepting(bind_request("0000:06:00.0"), {"device.bridge"}));
  CHECK(bridge.evidence.front().code == "device.bridge");
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("In no-IOMMU mode a device without a group may be bound if that is accepted") {
  Machine machine;
  machine.kernel.set_noiommu_mode(true);
  CHECK(machine.refused(bind_request("0000:09:00.0")).evidence.front().code == "iommu.absent");
  // The group and its node are made by the bind on a real kernel; here there is none, and reading back says so.
  const auto document = machine.carry_out(accepting(bind_request("0000:09:00.0"), {"iommu.absent"}));
  CHECK(document["error"]["detail"].get<std::string>().find("no node") != std::string::npos);
  CHECK(machine.kernel.bindings().at("0000:09:00.0") == "igb override -");
}

TEST_CASE("A device on VFIO that devbindd did not bind is not given back by guess") {
  Machine machine;
  machine.kernel.add_device(
      {.address = "0000:0b:00.0", .group = 11, .driver = "vfio-pci", .driver_override = "vfio-pci"});
  const auto refusal = machine.refused(request_of(ChangeKind::Restore, "0000:0b:00.0"));
  CHECK(refusal.error.code == sysfs::ErrorCode::NothingToRestore);
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("A record is not applied to another device that sits at the same address") {
  Machine machine;
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
  machine.kernel.remove_device(card);
  machine.kernel.add_device({.address = card, .device = 0x9999, .group = 1, .driver = "vfio-pci"});
  machine.kernel.forget_writes();
  CHECK(machine.refused(request_of(ChangeKind::Restore, card)).error.code == sysfs::ErrorCode::NothingToRestore);
  CHECK(machine.kernel.writes().empty());

  // A new bind replaces the record by one of the new device.
  CHECK(machine.carry_out(request_of(ChangeKind::Unbind, card))["state"] == "succeeded");
  CHECK(machine.engine->originals().all().at(at(card)).device == 0x9999);
  CHECK(machine.engine->originals().all().at(at(card)).driver == "vfio-pci");
}

TEST_CASE("What was known of a device that was pulled is not applied to the next one of its make") {
  Machine machine;
  machine.carry_out(bind_request(card));
  machine.kernel.remove_device(card);
  machine.kernel.add_device({.address = card, .group = 1, .driver = "e1000e"});
  REQUIRE(machine.engine->current());
  CHECK(machine.engine->originals().all().empty());
  machine.carry_out(request_of(ChangeKind::Unbind, card));
  CHECK(machine.engine->originals().all().at(at(card)).driver == "e1000e");
}

TEST_CASE("The administrator's own override comes back") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  CHECK(before.at("0000:07:00.2") == "nvme override nvme");
  CHECK(machine.carry_out(bind_request("0000:07:00.2"))["state"] == "succeeded");
  CHECK(machine.carry_out(request_of(ChangeKind::Restore, "0000:07:00.2"))["state"] == "succeeded");
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("A second change keeps the first record: a give-back returns what was there before devbindd") {
  Machine machine;
  const auto before = machine.kernel.bindings();
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
  CHECK(machine.carry_out(request_of(ChangeKind::Unbind, card))["state"] == "succeeded");
  CHECK(machine.refused(bind_request(card, "pci-stub")).evidence.front().code == "driver.absent");
  CHECK(machine.carry_out(accepting(bind_request(card, "igb"), {"driver.no_match"}))["state"] == "succeeded");
  CHECK(machine.carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  CHECK(machine.kernel.bindings() == before);
}

TEST_CASE("IDs are added and removed by themselves") {
  Machine machine;
  CHECK(machine.carry_out(id_request(ChangeKind::AddId, "vfio-pci", "8086 0953"))["state"] == "succeeded");
  CHECK(machine.kernel.driver("vfio-pci")->dynamic_ids.size() == 1);
  CHECK(machine.carry_out(id_request(ChangeKind::RemoveId, "vfio-pci", "8086 0953"))["state"] == "succeeded");
  CHECK(machine.kernel.driver("vfio-pci")->dynamic_ids.empty());
  const auto failed = machine.carry_out(id_request(ChangeKind::RemoveId, "vfio-pci", "8086 0953"));
  CHECK(failed["state"] == "failed");
  CHECK(failed["error"]["errno"] == "ENODEV");
  CHECK(failed["error"]["restored"] == true);
}

TEST_CASE("An override is set and cleared without a change of the driver") {
  Machine machine;
  auto request = request_of(ChangeKind::SetOverride, card);
  request.driver = driver_named("igb");
  CHECK(machine.carry_out(request)["state"] == "succeeded");
  CHECK(machine.kernel.bindings().at(card) == "e1000e override igb");
  CHECK(machine.carry_out(request_of(ChangeKind::ClearOverride, card))["state"] == "succeeded");
  CHECK(machine.kernel.bindings().at(card) == "e1000e override -");
  CHECK(machine.engine->originals().all().empty());
}

TEST_CASE("Operations are listed newest first and by state") {
  Machine machine;
  const auto first = machine.carry_out(bind_request(card))["id"];
  machine.kernel.fail_nth_write(1, EIO);
  const auto second = machine.carry_out(bind_request("0000:07:00.0"))["id"];
  CHECK(documents_of(*machine.engine).size() == 2);
  CHECK(documents_of(*machine.engine)[0]["id"] == second);
  CHECK(documents_of(*machine.engine, "succeeded").size() == 1);
  CHECK(documents_of(*machine.engine, "succeeded")[0]["id"] == first);
  CHECK(documents_of(*machine.engine, "running").empty());
  CHECK(machine.engine->operations().find("no-such-id").error().code == sysfs::ErrorCode::OperationNotFound);
}

}  // namespace devbindd::engine_test
