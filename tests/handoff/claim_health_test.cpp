// SPDX-License-Identifier: Apache-2.0
// The health check of a claim that ends: what does not answer or could not be recovered is neither given back nor given
// to the next one. The uevents are as the kernel sends them for AER.
#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"

namespace devbindd::claim_health_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string port = "0000:06:00.0";
const std::string root = "/devices/pci0000:00/";
const std::string card_config = "sys/devices/pci0000:00/" + card + "/config";

void say(ClaimMachine& machine, const std::string& devpath, const std::string& action, const std::string& error = {}) {
  sysfs::Uevent event{.action = action, .devpath = devpath, .subsystem = "pci", .keys = {}};
  if (!error.empty()) event.keys.emplace("ERROR_EVENT", error);
  machine.claims->take({.events = {event}, .lost = false});
}

std::optional<ErrorRecovery> recovery_of(const ClaimMachine& machine, const std::string& id,
                                         const std::string& address) {
  for (const auto& device : machine.claims->find(id)->devices) {
    if (sysfs::to_string(device.address) == address) return device.error_recovery;
  }
  throw std::runtime_error(address + " is not in the claim");
}

const std::string& reason_of(const ClaimMachine& machine, const std::string& id) {
  return machine.claims->find(id)->reason;
}

}  // namespace

TEST_CASE("A device that does not answer is not given to its driver; the others of its claim are") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0}));
  machine.kernel->set_file(card_config, std::string(64, '\xff'));
  machine.kernel->forget_writes();
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Quarantined);
  CHECK(reason_of(machine, id) == card + " does not answer: its configuration space does not show its vendor");
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel->bindings().at(disk) == "nvme override nvme");
  for (const auto& write : machine.kernel->writes()) CHECK(write.path.find(card) == std::string::npos);
  CHECK(machine.release(id)->error.code == sysfs::ErrorCode::ClaimNotActive);
  for (const auto& held : {card, disk})
    CHECK(codes(machine.stage->refused(bind_request(held)).evidence) == std::vector<std::string>{"claim.held"});

  CHECK(machine.acknowledge(id));
  CHECK(machine.state(id) == ClaimState::Released);
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A read of the configuration space that is late says nothing: it is looked at again, but not for ever",
          "[long]") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->block("sys/bus/pci/devices/" + card + "/config");
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(reason_of(machine, id).find("reading its configuration space takes too long") != std::string::npos);
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  const auto go_on = [&machine] {
    machine.kernel->unblock("sys/bus/pci/devices/" + card + "/config");
    machine.stage->workers.resume();
  };
  SECTION("it comes after all") {
    go_on();
    machine.wait_for(id, ClaimState::Released);
    CHECK(reason_of(machine, id) == "it was released");
    CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
  }
  SECTION("or never") {
    machine.wait_for(id, ClaimState::Quarantined);
    CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
    go_on();
    CHECK(machine.acknowledge(id));
    CHECK(machine.state(id) == ClaimState::Released);
  }
}

TEST_CASE("A device that stops answering on its way back is quarantined") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->forget_writes();
  machine.kernel->before_nth_write(1, [&machine] { machine.kernel->set_file(card_config, std::string(64, '\xff')); });
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("Another card in the place of a claimed one is neither given back nor judged") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .device = 0x1521, .group = 1, .driver = "igb"});
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "igb override -");
}

TEST_CASE("Another card of the same make is not given what the claimed one had, whoever was daemon when it came") {
  ClaimMachine machine;
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .group = 1, .driver_override = "igb"});
  const auto id = machine.made(of({card}));
  const bool meanwhile = GENERATE(false, true);
  if (meanwhile) machine.claims.reset();
  if (meanwhile) machine.stage.reset();
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .group = 1, .driver = "e1000e"});
  if (meanwhile) machine.kernel->lose_uevents();
  if (meanwhile) machine.restart();
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("What the kernel could not recover from an error is not given back, whoever was daemon then") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0}));
  say(machine, root + card, "change", "BEGIN_RECOVERY");
  CHECK(recovery_of(machine, id, card) == ErrorRecovery::Begun);
  say(machine, root + card, "change", "FAILED_RECOVERY");
  CHECK(recovery_of(machine, id, pair0) == std::nullopt);
  machine.restart();
  CHECK(recovery_of(machine, id, card) == ErrorRecovery::Failed);
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(reason_of(machine, id)
            .starts_with("the kernel could not recover " + card + " from an error; it has to be removed"));
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel->bindings().at(pair0) == "e1000e override -");
}

TEST_CASE("A failed recovery is said of the port above, and concerns all that is below it") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0}));
  for (const auto* error : {"BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY"}) {
    say(machine, root + port, "change", error);
    CHECK(recovery_of(machine, id, pair0) == std::nullopt);
  }
  say(machine, root + port, "change", "FAILED_RECOVERY");
  CHECK(recovery_of(machine, id, pair0) == ErrorRecovery::Failed);
  CHECK(recovery_of(machine, id, disk) == ErrorRecovery::Failed);
  CHECK(recovery_of(machine, id, card) == std::nullopt);
  sysfs::Uevent asked{.action = "add", .devpath = root + port + "/" + pair0, .subsystem = "pci", .keys = {}};
  asked.keys.emplace("SYNTH_UUID", "0");  // udevadm trigger: nothing has been added
  machine.claims->take({.events = {asked}, .lost = false});
  CHECK(recovery_of(machine, id, pair0) == ErrorRecovery::Failed);
  // Plugged in anew it is another one.
  say(machine, root + port + "/" + pair0, "add");
  CHECK(recovery_of(machine, id, pair0) == std::nullopt);
  CHECK(recovery_of(machine, id, disk) == ErrorRecovery::Failed);
}

TEST_CASE("A device that lost its base addresses in a recovery is not given back") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  std::string config(64, '\0');
  config.replace(0, 4, "\x86\x80\xd3\x10");
  config[0x10] = '\x04';  // flags of a 64-bit memory BAR
  config[0x18] = '\x01';  // and of an I/O BAR
  machine.kernel->set_file(card_config, config);

  SECTION("after an error") {
    for (const auto* error : {"BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY"}) say(machine, root + card, "change", error);
    CHECK(machine.release(id) == std::nullopt);
    CHECK(machine.state(id) == ClaimState::Quarantined);
    CHECK(reason_of(machine, id).starts_with(card + " has lost its base addresses"));
    CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  }
  SECTION("unless it has one left") {
    config[0x11] = '\x01';
    machine.kernel->set_file(card_config, config);
    for (const auto* error : {"BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY"}) say(machine, root + card, "change", error);
    CHECK(machine.release(id) == std::nullopt);
    machine.wait_for(id, ClaimState::Released);
  }
  SECTION("and is not suspected without one: a PCI address may be 0") {
    CHECK(machine.release(id) == std::nullopt);
    machine.wait_for(id, ClaimState::Released);
  }
}

TEST_CASE("A recovery that is under way is waited for") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  say(machine, root + card, "change", "BEGIN_RECOVERY");
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(reason_of(machine, id).starts_with("the kernel has not ended the recovery"));
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");

  SECTION("until it has succeeded") {
    say(machine, root + card, "change", "SUCCESSFUL_RECOVERY");
    machine.wait_for(id, ClaimState::Released);
    CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
    CHECK(recovery_of(machine, id, card) == ErrorRecovery::Succeeded);
    CHECK(reason_of(machine, id) == "it was released");
  }
  SECTION("but not for ever") {
    machine.wait_for(id, ClaimState::Quarantined);
    CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  }
  SECTION("and not for a device that has been pulled") {
    machine.kernel->remove_device(card);
    machine.wait_for(id, ClaimState::Released);
  }
}

TEST_CASE("Words that no kernel says of an error change nothing") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  say(machine, root + card, "change", "BEGIN_RECOVERY");
  for (const auto* error : {"", "begin_recovery", "DISCONNECT"}) say(machine, root + card, "change", error);
  say(machine, "/devices/virtual/none", "change", "FAILED_RECOVERY");
  CHECK(recovery_of(machine, id, card) == ErrorRecovery::Begun);
}

}  // namespace devbindd::claim_health_test
