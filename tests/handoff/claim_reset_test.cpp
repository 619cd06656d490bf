// SPDX-License-Identifier: Apache-2.0
// The reset of devices at the end of their claim: after the last close and before their drivers get them; what does not
// come back from it is not given back.
#include <algorithm>
#include <cerrno>

#include "handoff/journal/claim_document.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"

namespace devbindd::claim_reset_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;

const std::string other = "0000:08:00.0";

std::string reset_of(const std::string& address) { return "sys/bus/pci/devices/" + address + "/reset"; }

ClaimRequest with(ReleaseReset reset, std::vector<std::string> devices) {
  auto request = of(std::move(devices));
  request.reset = reset;
  return request;
}

std::vector<std::string> written(const ClaimMachine& machine) {
  std::vector<std::string> paths;
  for (const auto& write : machine.kernel->writes()) paths.push_back(write.path);
  return paths;
}

std::vector<std::string> resets(const ClaimMachine& machine) {
  auto paths = written(machine);
  std::erase_if(paths, [](const std::string& path) { return !path.ends_with("/reset"); });
  return paths;
}

const ClaimedDevice& device_of(const ClaimMachine& machine, const std::string& id, const std::string& address) {
  const auto& devices = machine.claims->find(id)->devices;
  return *std::ranges::find(devices, at(address), &ClaimedDevice::address);
}

}  // namespace

TEST_CASE("At its end the devices of a claim are reset, one after the other, before their drivers get them") {
  ClaimMachine machine;
  for (const auto& address : {card, pair0, disk}) machine.kernel->give_reset(address);
  const auto before = machine.kernel->bindings();
  const auto id = machine.made(of({pair0, card}));
  machine.kernel->forget_writes();
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Released);
  CHECK(machine.kernel->bindings() == before);
  const auto paths = written(machine);
  const std::vector<std::string> first(paths.begin(), paths.begin() + 3);
  CHECK(first == std::vector{reset_of(pair0), reset_of(disk), reset_of(card)});
  CHECK(resets(machine).size() == 3);
  for (const auto& address : {card, pair0, disk}) CHECK(device_of(machine, id, address).reset == ResetOutcome::Done);
  CHECK(device_of(machine, id, pair1).reset == ResetOutcome::Unavailable);  // it has no such file

  machine.restart();
  CHECK(device_of(machine, id, card).reset == ResetOutcome::Done);
}

TEST_CASE("A device that does not come back from its reset is not given to its driver; the others of its claim are") {
  ClaimMachine machine;
  machine.kernel->give_reset(card, EIO);
  machine.kernel->give_reset(pair0);
  const auto id = machine.made(of({card, pair0}));
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.claims->find(id)->reason.starts_with(card + " could not be reset ("));
  CHECK(machine.claims->find(id)->reason.find("EIO") != std::string::npos);
  CHECK(machine.claims->find(id)->reason.find("power cycle") != std::string::npos);
  CHECK(device_of(machine, id, card).reset == ResetOutcome::Failed);
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel->bindings().at(pair0) == "e1000e override -");
}

TEST_CASE("Methods that do not work are no fault, unless the claim requires the reset") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const bool required = GENERATE(false, true);
  const auto id = machine.made(with(required ? ReleaseReset::Required : ReleaseReset::Auto, {card}));
  machine.kernel->give_reset(card, ENOTTY);  // somebody has emptied reset_method
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, required ? ClaimState::Quarantined : ClaimState::Released);
  CHECK(device_of(machine, id, card).reset == ResetOutcome::Unavailable);
  CHECK(machine.kernel->bindings().at(card) == (required ? "vfio-pci override vfio-pci" : "e1000e override -"));
}

TEST_CASE("A claim that requires the reset takes no device without one, nor one whose group has such") {
  ClaimMachine machine;
  machine.kernel->give_reset(pair0);
  for (const auto& address : {card, pair0}) {
    machine.kernel->forget_writes();
    const auto refusal = machine.refused(with(ReleaseReset::Required, {address}));
    CHECK(refusal.error.code == ErrorCode::Refused);
    CHECK(codes(refusal.evidence) == std::vector<std::string>{"device.no_reset"});
    CHECK(machine.kernel->writes().empty());
  }
  auto request = with(ReleaseReset::Required, {});
  request.selector = Selector{.vendor = 0x8086, .device = 0x10d3, .category = "network"};
  const auto none = machine.refused(request);
  CHECK(none.error.code == ErrorCode::NotEnoughDevices);
  CHECK(none.error.message.find("has no reset") != std::string::npos);
  machine.kernel->give_reset(card);
  const auto methods = "sys/devices/pci0000:00/" + card + "/reset_method";
  machine.kernel->set_file(methods, "\n");  // somebody has taken them away
  CHECK(codes(machine.refused(with(ReleaseReset::Required, {card})).evidence) ==
        std::vector<std::string>{"device.no_reset"});
  machine.kernel->set_file(methods, "flr bus\n");
  const auto id = machine.made(request);
  CHECK(machine.claims->find(id)->devices.front().address == at(card));
}

TEST_CASE("Nothing is reset that was not to be") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);

  SECTION("by a claim that says so") {
    const auto id = machine.made(with(ReleaseReset::None, {card}));
    CHECK(machine.release(id) == std::nullopt);
    CHECK(device_of(machine, id, card).reset == std::nullopt);
  }
  SECTION("another card in its place") {
    const auto id = machine.made(of({card}));
    machine.kernel->remove_device(card);
    machine.kernel->add_device(
        {.address = card, .device = 0x1521, .group = 1, .driver = "vfio-pci", .driver_override = "vfio-pci"});
    machine.kernel->give_reset(card);
    CHECK(machine.release(id) == std::nullopt);
  }
  SECTION("a device that somebody has given to another driver") {
    const auto id = machine.made(of({card}));
    machine.kernel->write("sys/bus/pci/drivers/vfio-pci/unbind", card).value();
    machine.kernel->write("sys/bus/pci/devices/" + card + "/driver_override", "e1000e").value();
    machine.kernel->write("sys/bus/pci/drivers/e1000e/bind", card).value();
    CHECK(machine.release(id) == std::nullopt);
  }
  CHECK(resets(machine).empty());
}

TEST_CASE("A device that somebody has left without a driver is reset before its driver gets it back") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const auto id = machine.made(of({card}));
  machine.kernel->write("sys/bus/pci/drivers/vfio-pci/unbind", card).value();
  CHECK(machine.release(id) == std::nullopt);
  CHECK(resets(machine).size() == 1);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A required reset that was unavailable stays a fault, also when the give-back has to wait") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  machine.kernel->give_reset(other);
  const auto id = machine.made(with(ReleaseReset::Required, {card, other}));
  machine.kernel->give_reset(card, ENOTTY);
  machine.kernel->give_reset(other);
  // Whoever opens the other between its reset and the give-back makes the give-back wait.
  machine.kernel->before_nth_write(2, [&machine] { machine.kernel->open_device(other, 4711, "vmm"); });
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(device_of(machine, id, card).reset == ResetOutcome::Unavailable);
  machine.kernel->close_device(other);
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  CHECK(machine.kernel->bindings().at(other) == "igb override -");
}

TEST_CASE("What is opened while another device is reset is not reset until it is closed") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  machine.kernel->give_reset(other);
  const auto id = machine.made(of({card, other}));
  machine.kernel->before_nth_write(1, [&machine] { machine.kernel->open_device(other, 4711, "vmm"); });
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(resets(machine) == std::vector{reset_of(card)});
  machine.kernel->close_device(other);
  machine.wait_for(id, ClaimState::Released);
  CHECK(resets(machine) == std::vector{reset_of(card), reset_of(other)});
}

TEST_CASE("A device is not reset under whoever has it open") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  auto request = of({card});
  const bool taken_back = GENERATE(false, true);
  if (taken_back) request.grace = std::chrono::seconds(0);
  const auto id = machine.made(request);
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  if (taken_back) run_until(machine.stage->io, [&] { return !machine.claims->find(id)->release_operation.empty(); });
  CHECK(resets(machine).empty());
  machine.kernel->close_device(card);
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Released);
  CHECK(resets(machine).size() == (taken_back ? 0 : 1));  // VFIO itself has reset what it took back
}

TEST_CASE("A reset that takes long is told, waited for, and not begun again") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const auto id = machine.made(of({card}));
  machine.kernel->block(reset_of(card));
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.claims->find(id)->reason == "the kernel is still resetting " + card);
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  machine.kernel->unblock(reset_of(card));
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.claims->find(id)->reason == "it was released");
  CHECK(resets(machine).size() == 1);
}

TEST_CASE("A give-back that has to wait after the reset does not reset again") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const auto id = machine.made(of({card}));
  // Whoever opens it between the reset and the give-back makes the give-back wait.
  machine.kernel->before_nth_write(1, [&machine] { machine.kernel->open_device(card, 4711, "vmm"); });
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  machine.kernel->close_device(card);
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Released);
  CHECK(resets(machine).size() == 1);
}

TEST_CASE("A device that is pulled while it is reset has no fault") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const auto id = machine.made(of({card, pair0}));
  machine.kernel->before_nth_write(1, [&machine] { machine.kernel->remove_device(card); });
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Released);
  CHECK(device_of(machine, id, card).reset == std::nullopt);
  CHECK(machine.kernel->bindings().at(pair0) == "e1000e override -");
}

TEST_CASE("What the end of a claim would do is told without doing it") {
  ClaimMachine machine;
  machine.kernel->give_reset(card);
  const auto id = machine.made(of({card}));
  machine.kernel->forget_writes();
  const auto asked = [&](bool when_closed) {
    std::optional<std::variant<Refusal, Preview>> answer;
    machine.claims->preview_release(id, machine.requester(), when_closed,
                                    [&answer](std::variant<Refusal, Preview> said) { answer = std::move(said); });
    run_until(machine.stage->io, [&answer] { return answer.has_value(); });
    return *answer;
  };
  const auto kinds = [](const Preview& preview) {
    std::vector<std::string_view> names;
    for (const auto& step : preview.plan.steps) names.push_back(sysfs::name_of(step.step.kind));
    return names;
  };
  const auto preview = std::get<Preview>(asked(false));
  CHECK(kinds(preview).front() == "reset");
  CHECK(kinds(preview).size() > 2);
  CHECK(preview.refused_by.empty());

  machine.kernel->open_device(card, 4711, "vmm");
  const auto refused = std::get<Preview>(asked(false));
  CHECK(codes(refused.refused_by) == std::vector<std::string>{"vfio.open"});
  CHECK(refused.refused_by.front().processes.front().pid == 4711);
  CHECK(std::get<Preview>(asked(true)).refused_by.empty());
  CHECK(kinds(std::get<Preview>(asked(true))) == kinds(preview));
  CHECK(machine.kernel->writes().empty());
  CHECK(machine.state(id) == ClaimState::Active);

  machine.kernel->close_device(card);
  CHECK(machine.release(id) == std::nullopt);
  CHECK(std::get<Preview>(asked(false)).plan.steps.empty());
}

}  // namespace devbindd::claim_reset_test
