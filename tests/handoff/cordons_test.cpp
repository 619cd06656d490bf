// SPDX-License-Identifier: Apache-2.0
// Devices that get no new claims, over the daemon's restarts.
#include "handoff/operation/cordons.hpp"

#include "handoff/claim/claims.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::cordons_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Machine {
  Machine() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    claims.reset();
    stage.reset();
    stage = std::make_unique<Stage>(kernel, (directory.path() / "state.db").string(), boot_id);
    claims = std::make_unique<Claims>(*stage->engine, Claims::Hooks{});
  }
  sysfs::Device device(const std::string& address) { return stage->engine->find_device(at(address)).value(); }
  void set(const std::string& address, std::string reason) {
    bool done = false;
    stage->engine->cordons().set(device(address), std::move(reason), {.transport = "unix", .uid = 7, .pid = 8},
                                 [&done](const sysfs::Result<>& stored) { done = stored.has_value(); });
    run_until(stage->io, [&done] { return done; });
  }
  void clear(const std::string& address) {
    bool done = false;
    stage->engine->cordons().clear(at(address), [&done](const sysfs::Result<>& stored) { done = stored.has_value(); });
    run_until(stage->io, [&done] { return done; });
  }
  const Cordon* find(const std::string& address) { return stage->engine->cordons().find(device(address)); }

  /// The addresses that a claim gets, or why it gets none.
  std::vector<std::string> claim(ClaimRequest request) {
    std::optional<std::vector<std::string>> got;
    claims->create(std::move(request), {}, true, [&got](const ClaimOutcome& outcome) {
      got.emplace();
      if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
        got->push_back(std::string(sysfs::name_of(refusal->error.code)));
        for (const auto& item : refusal->evidence) got->push_back(item.code);
        return;
      }
      const auto& preview = std::get<Preview>(outcome);
      for (const auto& item : preview.refused_by) got->push_back(item.code);
      for (const auto& transition : preview.plan.transitions) got->push_back(sysfs::to_string(transition.address));
    });
    run_until(stage->io, [&got] { return got.has_value(); });
    return *got;
  }

  TemporaryDirectory directory;
  std::shared_ptr<FakeKernel> kernel = usual_machine();
  std::unique_ptr<Stage> stage;
  std::unique_ptr<Claims> claims;  ///< as the daemon's, for as long as the engine asks it
};

ClaimRequest by_address(const std::string& address) {
  ClaimRequest request;
  request.devices = {at(address)};
  return request;
}

ClaimRequest by_selector(Selector selector) {
  ClaimRequest request;
  request.selector = std::move(selector);
  return request;
}

}  // namespace

TEST_CASE("A cordoned device is passed by, and refused when it is asked for") {
  Machine machine;
  const auto any = by_selector({.device = 0x10d3});
  CHECK(machine.claim(any) == std::vector<std::string>{card});
  machine.set(card, "to be replaced");
  CHECK(machine.claim(any) == std::vector<std::string>{pair0, pair1, disk});
  CHECK(machine.claim(by_address(card)).front() == "device.cordoned");
  machine.set(disk, "");
  CHECK(machine.claim(any) == std::vector<std::string>{"claim.not_enough"});
  CHECK(machine.claim(by_address(pair0)).front() == "device.cordoned");
  CHECK(machine.stage->carry_out(bind_request(card))["state"] == "succeeded");
  CHECK(machine.claim(by_address(card)).front() == "device.cordoned");
  machine.clear(card);
  CHECK(machine.claim(by_address(card)) == std::vector<std::string>{card});
}

TEST_CASE("A cordon lasts over restarts and reboots, for the device that was meant") {
  Machine machine;
  machine.set(card, "to be replaced");
  machine.set(disk, "");
  machine.clear(disk);
  for (const auto* boot : {"boot-1", "boot-2"}) {
    machine.restart(boot);
    REQUIRE(machine.find(card) != nullptr);
    CHECK(machine.find(card)->reason == "to be replaced");
    CHECK(machine.find(card)->requester.uid == 7U);
    CHECK(machine.find(disk) == nullptr);
  }
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .device = 0x10c9, .group = 1, .driver = "igb"});
  CHECK(machine.find(card) == nullptr);
}

TEST_CASE("A device that is removed takes its cordon along: the next one of the same make is not meant") {
  Machine machine;
  machine.set(card, "to be replaced");
  machine.kernel->remove_device(card);
  machine.kernel->add_device({.address = card, .group = 1, .driver = "e1000e"});
  CHECK(machine.find(card) == nullptr);
  run_until(machine.stage->io, [] { return true; });
  machine.restart();
  CHECK(machine.find(card) == nullptr);
}

TEST_CASE("A virtual function that goes takes its cordon along, one that is made anew at once keeps it") {
  Stage stage(sriov_machine());
  CHECK(stage.carry_out(functions_request(physical, 2))["state"] == "succeeded");
  const auto address = stage.engine->find_device(at(physical))->virtfns.at(1);
  bool done = false;
  stage.engine->cordons().set(stage.engine->find_device(address).value(), "to be replaced", {},
                              [&done](const sysfs::Result<>& stored) { done = stored.has_value(); });
  run_until(stage.io, [&done] { return done; });
  CHECK(stage.carry_out(functions_request(physical, 3))["state"] == "succeeded");
  CHECK(stage.engine->cordons().contains(address));
  CHECK(stage.carry_out(functions_request(physical, 0))["state"] == "succeeded");
  CHECK_FALSE(stage.engine->cordons().contains(address));
}

}  // namespace devbindd::cordons_test
