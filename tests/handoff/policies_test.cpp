// SPDX-License-Identifier: Apache-2.0
// Policies on a kernel in memory: put in force at the start and on new devices, never against anybody.
#include "handoff/policy/policies.hpp"

#include <cerrno>

#include "handoff/claim/claims.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::policies_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string igb = "0000:08:00.0";

Policy policy(Selector selector, const char* driver = "vfio-pci", Scope scope = Scope::Device) {
  return {.name = "policy", .selector = std::move(selector), .driver = driver_named(driver), .scope = scope};
}

struct Machine : Stage {
  explicit Machine(std::vector<Policy> made) : Stage(sriov_machine()), policies(*engine, std::move(made)) {}

  void start() {
    bool done = false;
    policies.start([&done] { done = true; });
    run_until(io, [&done] { return done; });
  }
  const PolicyRecord& at_device(const std::string& address) { return policies.records().at(at(address)); }

  Policies policies;
};

}  // namespace

TEST_CASE("A policy binds what fits it, once, and leaves the rest") {
  Machine machine({policy({.device = 0x10d3})});
  machine.start();
  for (const auto& address : {card, pair0, pair1}) {
    CHECK(machine.kernel.bindings().at(address).starts_with("vfio-pci"));
    CHECK(machine.at_device(address).outcome == PolicyOutcome::InForce);
  }
  CHECK(machine.kernel.bindings().at(igb) == "igb override -");
  CHECK(document_of(*machine.engine, machine.at_device(card).operation)["requested_by"]["transport"] == "policy");
  machine.kernel.forget_writes();
  machine.start();
  CHECK(machine.kernel.writes().empty());
}

TEST_CASE("A policy for physical functions gives them VFs, and says when they are otherwise") {
  auto functions = policy({.device = 0x10c9});
  functions.vfs = 2;
  Machine machine({functions});
  machine.start();
  CHECK(machine.at_device(physical).outcome == PolicyOutcome::InForce);
  CHECK(machine.kernel.bindings().at(vf1) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel.bindings().at(igb) == "igb override -");  // the same kind, but without SR-IOV
  CHECK_FALSE(machine.policies.records().contains(at(igb)));
  const auto now = [&machine] { return machine.engine->find_device(at(physical)).value(); };
  CHECK(machine.policies.holds(functions, now()));
  machine.kernel.forget_writes();
  machine.start();
  CHECK(machine.kernel.writes().empty());
  machine.carry_out(accepting(bind_request(vf0, "igbvf"), {"driver.no_match"}));
  CHECK_FALSE(machine.policies.holds(functions, now()));
}

TEST_CASE("A policy that wants another number of VFs than before replaces those that were made for it") {
  auto functions = policy({.device = 0x10c9});
  functions.vfs = 1;
  Machine machine({functions});
  machine.start();
  REQUIRE(machine.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
  functions.vfs = 2;
  Policies next(*machine.engine, {functions});
  const auto start = [&] {
    bool done = false;
    next.start([&done] { done = true; });
    run_until(machine.io, [&done] { return done; });
  };
  SECTION("while they are as it has left them") {
    start();
    CHECK(next.records().at(at(physical)).outcome == PolicyOutcome::InForce);
    CHECK(machine.kernel.bindings().at(vf1) == "vfio-pci override vfio-pci");
  }
  SECTION("and not one that somebody has given another override since") {
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + vf0 + "/driver_override", "igbvf"));
    start();
    CHECK(next.records().at(at(physical)).outcome == PolicyOutcome::Respected);
  }
}

TEST_CASE("A policy leaves VFs alone that somebody has made for a purpose of his own") {
  auto functions = policy({.device = 0x10c9});
  functions.vfs = 2;
  SECTION("another number, with an override") {
    Machine machine({functions});
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + physical + "/sriov_numvfs", "1"));
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + vf0 + "/driver_override", "vfio-pci"));
    machine.start();
    CHECK(machine.at_device(physical).outcome == PolicyOutcome::Respected);
    CHECK(machine.at_device(physical).reason.find(vf0) != std::string::npos);
    CHECK(machine.kernel.device(vf0).driver == "igbvf");
  }
  SECTION("the number, with another override") {
    Machine machine({functions});
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + physical + "/sriov_numvfs", "2"));
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + vf1 + "/driver_override", "none"));
    machine.start();
    CHECK(machine.at_device(physical).outcome == PolicyOutcome::Respected);
  }
  SECTION("one that is excluded") {
    functions.exclude = {at(vf0)};
    Machine machine({functions});
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + physical + "/sriov_numvfs", "1"));
    machine.start();
    CHECK(machine.at_device(physical).reason == vf0 + " is excluded");
  }
  SECTION("VFs that nobody has touched are not his") {
    Machine machine({functions});
    REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + physical + "/sriov_numvfs", "1"));
    machine.start();
    CHECK(machine.at_device(physical).outcome == PolicyOutcome::InForce);
  }
}

TEST_CASE("A policy that fails is not tried for ever, whatever events its own operations send") {
  auto functions = policy({.device = 0x10c9});
  functions.vfs = 1;
  Machine machine({functions});
  machine.kernel.refuse_probe("vfio-pci", vf0, EIO);
  machine.start();
  std::size_t tries = 0;
  for (int round = 0; round < 8; ++round) {
    machine.policies.take(
        {.events = {
             {.action = "change", .devpath = "/devices/pci0000:00/" + physical, .subsystem = "pci", .keys = {}}}});
    machine.io.restart();
    machine.io.run_for(std::chrono::milliseconds(80));
    tries = documents_of(*machine.engine).size();
  }
  CHECK(machine.at_device(physical).outcome == PolicyOutcome::Failed);
  CHECK(tries == 3);
}

TEST_CASE("A policy gives a physical function VFs when its driver comes") {
  auto functions = policy({.device = 0x10c9});
  functions.vfs = 2;
  Machine machine({functions, policy({.device = 0x10d3}, "e1000e")});
  machine.carry_out(request_of(ChangeKind::Unbind, physical));
  machine.start();
  CHECK(machine.at_device(physical).outcome == PolicyOutcome::Refused);
  machine.kernel.forget_writes();
  (void)machine.kernel.drain_uevents();
  machine.carry_out(request_of(ChangeKind::Restore, physical));
  const auto bound = [](const std::string& address) {
    return sysfs::Uevent{.action = "bind", .devpath = "/devices/pci0000:00/" + address, .subsystem = "pci", .keys = {}};
  };
  machine.carry_out(request_of(ChangeKind::Unbind, card));
  machine.policies.take({.events = {bound(card), bound(physical)}});
  run_until(machine.io, [&] { return machine.at_device(physical).outcome == PolicyOutcome::InForce; });
  CHECK(machine.kernel.bindings().at(vf1) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel.bindings().at(card).starts_with("-"));  // whoever moves it by hand is left alone
}

TEST_CASE("A policy waits for what works on a device just now") {
  Machine machine({policy({.device = 0x10ca})});
  machine.start();
  machine.kernel.block("sys/bus/pci/devices/" + physical + "/sriov_drivers_autoprobe", "1");
  auto request = functions_request(physical, 2, "none");
  request.functions->autoprobe = true;
  const auto id = std::get<Accepted>(machine.decide(request)).operation;
  CHECK(machine.settled(id)["state"] == "blocked");
  sysfs::UeventBatch added;
  for (const auto& address : {vf0, vf1})
    added.events.push_back(
        {.action = "add", .devpath = "/devices/pci0000:00/" + address, .subsystem = "pci", .keys = {}});
  machine.policies.take(added);
  run_until(machine.io, [&] { return machine.policies.records().contains(at(vf1)); });
  CHECK(machine.at_device(vf0).outcome == PolicyOutcome::Pending);
  machine.kernel.unblock("sys/bus/pci/devices/" + physical + "/sriov_drivers_autoprobe", "1");
  machine.workers.resume();
  run_until(machine.io, [&] { return machine.at_device(vf1).outcome == PolicyOutcome::InForce; });
  CHECK(machine.kernel.bindings().at(vf0) == "vfio-pci override vfio-pci");
}

TEST_CASE("The first policy that fits a device has it; excluded devices and bridges have none") {
  auto first = policy({.device = 0x10d3}, "vfio-pci");
  first.exclude = {at(pair0)};
  auto second = policy({.category = "network"}, "pci-stub");
  second.name = "second";
  second.exclude = {at(igb), at("0000:09:00.0")};
  Machine machine({first, second});
  CHECK(machine.policies.policy_for(*machine.inventory.find(at("0000:06:00.0"))) == nullptr);
  CHECK(machine.policies.policy_for(*machine.inventory.find(at(pair0)))->name == "second");
  machine.start();
  CHECK(machine.at_device(card).policy == "policy");
  CHECK_FALSE(machine.policies.records().contains(at(igb)));
}

TEST_CASE("A device has the labels of its policy, a VF those of the one that makes it") {
  auto nics = policy({.device = 0x10d3});
  nics.labels = {{"pool", "vm"}, {"rack", "7"}};
  auto functions = policy({.device = 0x10c9});
  functions.name = "functions";
  functions.vfs = 2;
  functions.labels = {{"pool", "fast"}};
  functions.exclude = {at(vf1)};
  Machine machine({nics, functions});
  REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + physical + "/sriov_numvfs", "2"));
  const auto labels = [&machine](const std::string& address) {
    return machine.policies.labels_of(machine.engine->find_device(at(address)).value());
  };
  CHECK(labels(card) == nics.labels);
  CHECK(labels(physical).empty());  // the labels are its VFs'
  CHECK(labels(vf0) == functions.labels);
  CHECK(labels(vf1).empty());
  CHECK(labels(disk).empty());
  CHECK(has_labels(nics.labels, {{"pool", "vm"}}));
  CHECK_FALSE(has_labels(nics.labels, {{"pool", "vm"}, {"rack", "8"}}));
  CHECK_FALSE(has_labels(nics.labels, {{"row", "7"}}));
}

TEST_CASE("A policy never goes against the verdict, an override of somebody else, or a claim") {
  Machine machine({policy({.category = "network"}), policy({.category = "storage"}, "vfio-pci")});
  Claims claims(*machine.engine, {});
  std::optional<std::string> claimed;
  ClaimRequest request;
  request.devices = {at(card)};
  claims.create(request, {}, false, [&](const ClaimOutcome& outcome) { claimed = std::get<ClaimMade>(outcome).id; });
  run_until(machine.io, [&] { return claimed.has_value(); });
  REQUIRE(machine.kernel.write("sys/bus/pci/devices/" + igb + "/driver_override", "pci-stub"));
  machine.start();
  CHECK(machine.at_device("0000:09:00.0").outcome == PolicyOutcome::Refused);  // it has no IOMMU group
  CHECK(machine.at_device("0000:09:00.0").reason.find("IOMMU") != std::string::npos);
  CHECK(machine.at_device(igb).outcome == PolicyOutcome::Respected);
  CHECK(machine.at_device(igb).reason.find("pci-stub") != std::string::npos);
  CHECK(machine.kernel.bindings().at(igb) == "igb override pci-stub");
  CHECK(machine.at_device(disk).outcome == PolicyOutcome::Respected);  // its override names nvme
  CHECK(machine.at_device(card).outcome == PolicyOutcome::InForce);    // the claim has it there
  CHECK(machine.policies.records().size() == 7);
}

TEST_CASE("What a claim has kept from a policy is looked at again when the claim is over") {
  Machine machine({policy({.device = 0x10d3}, "e1000e")});
  Claims claims(*machine.engine, {.watch_process = {}, .freed = [&machine](const Claim& claim) {
                                    machine.policies.look_again({claim.devices.front().address});
                                  }});
  machine.ioctl.open_freely();
  machine.carry_out(bind_request(card));
  std::optional<std::string> id;
  ClaimRequest request;
  request.devices = {at(card)};
  claims.create(request, {}, false, [&](const ClaimOutcome& outcome) { id = std::get<ClaimMade>(outcome).id; });
  run_until(machine.io, [&] { return id.has_value(); });
  machine.start();
  CHECK(machine.at_device(card).outcome == PolicyOutcome::Refused);
  bool released = false;
  claims.release(*id, {}, false, [&released](const std::optional<Refusal>& refusal) { released = !refusal; });
  run_until(machine.io, [&] { return released && machine.at_device(card).outcome == PolicyOutcome::InForce; });
  CHECK(machine.kernel.bindings().at(card).starts_with("e1000e"));
}

TEST_CASE("A device that the kernel does not give is told as failed, and the next are tried") {
  Machine machine({policy({.device = 0x10d3})});
  machine.kernel.refuse_probe("vfio-pci", card, EIO);
  machine.start();
  CHECK(machine.at_device(card).outcome == PolicyOutcome::Failed);
  CHECK_FALSE(machine.at_device(card).reason.empty());
  CHECK(machine.kernel.bindings().at(card) == "e1000e override -");
  CHECK(machine.at_device(pair1).outcome == PolicyOutcome::InForce);
}

TEST_CASE("A driver that was just probing is no obstacle for long") {
  Machine machine({policy({.device = 0x10d3})});
  machine.kernel.refuse_probe("vfio-pci", card, EBUSY);
  machine.start();
  CHECK(machine.at_device(card).outcome == PolicyOutcome::Failed);
  machine.kernel.refuse_probe("vfio-pci", card, 0);
  run_until(machine.io, [&] { return machine.at_device(card).outcome == PolicyOutcome::InForce; });
}

TEST_CASE("One that hangs does not keep the daemon from being ready, and is told when it is through") {
  Machine machine({policy({.device = 0x10d3})});
  machine.kernel.block("sys/bus/pci/drivers/e1000e/unbind", card);
  machine.start();
  CHECK(machine.at_device(card).outcome == PolicyOutcome::Pending);
  CHECK(machine.at_device(pair1).outcome == PolicyOutcome::InForce);
  machine.kernel.unblock("sys/bus/pci/drivers/e1000e/unbind", card);
  machine.workers.resume();
  run_until(machine.io, [&] { return machine.at_device(card).outcome == PolicyOutcome::InForce; });
}

TEST_CASE("A device that is plugged in later gets its policy; one that somebody moved away keeps what it has") {
  Machine machine({policy({.device = 0x10d3})});
  machine.start();
  machine.carry_out(request_of(ChangeKind::Restore, card));
  machine.kernel.drain_uevents();
  machine.kernel.add_device({.address = "0000:30:00.0", .group = 30, .driver = "e1000e"});
  const sysfs::UeventBatch batch{
      .events = {{.action = "add", .devpath = "/devices/pci0000:00/0000:30:00.0", .subsystem = "pci", .keys = {}}}};
  machine.engine->take(batch);
  machine.policies.take(batch);
  run_until(machine.io, [&] {
    return machine.policies.records().contains(at("0000:30:00.0")) &&
           machine.at_device("0000:30:00.0").outcome == PolicyOutcome::InForce;
  });
  CHECK(machine.kernel.bindings().at("0000:30:00.0").starts_with("vfio-pci"));
  CHECK(machine.kernel.bindings().at(card) == "e1000e override -");
  machine.policies.take(
      {.events = {
           {.action = "remove", .devpath = "/devices/pci0000:00/0000:30:00.0", .subsystem = "pci", .keys = {}}}});
  CHECK_FALSE(machine.policies.records().contains(at("0000:30:00.0")));
}

}  // namespace devbindd::policies_test
