// SPDX-License-Identifier: Apache-2.0
// Every write of a change fails once, with every errno that a kernel may answer: afterwards everything is as it was, or
// the operation says that it is not.
#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::engine_failure_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Scenario {
  std::string name;
  std::vector<ChangeRequest> before;  ///< carried out first
  ChangeRequest request;
  bool large = false;  ///< too many pairs of writes for the tests that fail two
};

struct Machine : Stage {
  explicit Machine(const Scenario& scenario) : Stage(sriov_machine()) {
    for (const auto& request : scenario.before) carry_out(request);
    kernel.forget_writes();
  }
};

std::vector<Scenario> scenarios() {
  const auto on_group = bind_request(pair0, "vfio-pci", Scope::Group);
  return {
      {"bind a device", {}, bind_request(card)},
      {"bind a group of three", {}, on_group},
      {"bind by new_id", {}, new_id_request("0000:08:00.0")},
      {"bind a group by new_id", {}, new_id_request(pair0, "vfio-pci", Scope::Group)},
      {"bind by new_id with an override of another driver", {}, new_id_request("0000:07:00.2")},
      {"give a device back", {bind_request(card)}, request_of(ChangeKind::Restore, card)},
      {"give a group back", {on_group}, request_of(ChangeKind::Restore, pair0)},
      {"unbind a device", {}, request_of(ChangeKind::Unbind, card)},
      {"unbind a group", {}, request_of(ChangeKind::Unbind, pair0, Scope::Group)},
      {"unbind from VFIO", {bind_request(card)}, request_of(ChangeKind::Unbind, card)},
      {"move to a kernel driver", {bind_request(card)}, bind_request(card, "e1000e")},
      {"set an override",
       {},
       {ChangeKind::SetOverride, at(card), driver_named("pci-stub"), {}, Method::DriverOverride, {}, {}}},
      {"clear an override", {}, request_of(ChangeKind::ClearOverride, "0000:07:00.2")},
      {"bind a device and a group in one", {}, transaction({bind_request(card), on_group}), true},
      {"give both back in one",
       {transaction({bind_request(card), on_group})},
       transaction({request_of(ChangeKind::Restore, card), request_of(ChangeKind::Restore, pair0)}),
       true},
      {"swap the drivers of two in one",
       {bind_request(card)},
       transaction({request_of(ChangeKind::Restore, card), bind_request("0000:08:00.0")})},
      {"create VFs for VFIO", {}, functions_request(physical, 2)},
      {"create VFs for their own driver", {}, functions_request(physical, 2, "igbvf")},
      {"destroy VFs", {functions_request(physical, 2)}, functions_request(physical, 0, "")},
      {"destroy VFs that the kernel bound", {functions_request(physical, 2, "")}, functions_request(physical, 0, "")},
      {"more VFs", {functions_request(physical, 1, ""), bind_request(vf0)}, functions_request(physical, 2), true},
      {"fewer VFs, for the kernel", {functions_request(physical, 2)}, functions_request(physical, 1, ""), true},
      {"other VFs without a driver", {functions_request(physical, 2, "igbvf")}, functions_request(physical, 1, "none")},
      {"VFs that stay go to VFIO", {functions_request(physical, 2, "")}, functions_request(physical, 2)},
  };
}

std::size_t writes_of(const Scenario& scenario) {
  Machine machine(scenario);
  const auto document = machine.carry_out(scenario.request);
  INFO(document.dump(2));
  REQUIRE(document["state"] == "succeeded");
  return machine.kernel.writes().size();
}

std::size_t dynamic_ids(const FakeKernel& kernel) {
  std::size_t count = 0;
  for (const auto* name : {"vfio-pci", "e1000e", "igb", "igbvf", "nvme"})
    count += kernel.driver(name)->dynamic_ids.size();
  return count;
}

}  // namespace

TEST_CASE("When any single write fails, every device is as it was before", "[long]") {
  for (const auto& scenario : scenarios()) {
    const auto count = writes_of(scenario);
    REQUIRE(count > 0);
    for (std::size_t nth = 1; nth <= count; ++nth) {
      for (const int errno_value : {EBUSY, ENODEV, EINVAL, EIO, EPERM, ENOMEM, EAGAIN}) {
        Machine machine(scenario);
        const auto before = machine.kernel.bindings();
        const auto originals = machine.engine->originals().all();
        machine.kernel.fail_nth_write(nth, errno_value);
        const auto document = machine.carry_out(scenario.request);
        INFO(scenario.name << ", write " << nth << ", " << sysfs::errno_name(errno_value) << "\n" << document.dump(1));
        REQUIRE(document["state"] == "failed");
        REQUIRE(machine.kernel.bindings() == before);
        REQUIRE(dynamic_ids(machine.kernel) == 0);
        REQUIRE(document["error"]["restored"] == true);
        REQUIRE(document["error"]["undo_failures"].empty());
        REQUIRE(document["error"]["errno"] == sysfs::errno_name(errno_value));
        REQUIRE(document["error"]["code"] == "bind_failed");
        REQUIRE_FALSE(document["error"]["meaning"].is_null());
        REQUIRE_FALSE(document["error"]["next_step"].is_null());
        REQUIRE(machine.engine->originals().all() == originals);
        REQUIRE_FALSE(machine.engine->operations().is_busy());
      }
    }
  }
}

TEST_CASE("When the undo is hit too, the operation never claims that the earlier state is back", "[long]") {
  for (const auto& scenario : scenarios()) {
    if (scenario.large) continue;
    const auto count = writes_of(scenario);
    for (std::size_t nth = 1; nth <= count; ++nth) {
      // Undoing takes at most three writes for each one done.
      for (std::size_t second = nth + 1; second <= nth + 3 * nth; ++second) {
        Machine machine(scenario);
        const auto before = machine.kernel.bindings();
        machine.kernel.fail_nth_write(nth, EIO);
        machine.kernel.fail_nth_write(second, EBUSY);
        const auto document = machine.carry_out(scenario.request);
        INFO(scenario.name << ", writes " << nth << " and " << second << "\n" << document.dump(1));
        REQUIRE(document["state"] == "failed");
        const bool same = machine.kernel.bindings() == before;
        REQUIRE(document["error"]["restored"] == same);
        REQUIRE((document["error"]["code"] == "restore_failed") == !same);
        if (!same) {
          REQUIRE_FALSE(document["error"]["undo_failures"].empty());
        }
        for (const auto& [address, original] : machine.engine->originals().all()) {
          const auto binding = original.driver.value_or("-") + " override " + original.driver_override.value_or("-");
          const bool needed = machine.kernel.bindings().at(sysfs::to_string(address)) != binding || !same;
          REQUIRE((needed || !scenario.before.empty()));
        }
      }
    }
  }
}

TEST_CASE("Where the look after an undo hangs, nobody says that the undo failed") {
  Machine machine(Scenario{"", {}, bind_request(card)});
  const auto before = machine.kernel.bindings();
  machine.kernel.fail_nth_write(3, EIO);
  machine.carry_out(bind_request(card));
  const auto writes = machine.kernel.writes().size();
  // With the last write of the undo the device's lock is taken by somebody.
  const auto lock = "sys/bus/pci/devices/" + card + "/driver_override";
  machine.kernel.fail_nth_write(3, EIO);
  machine.kernel.before_nth_write(writes, [&] { machine.kernel.block(lock); });
  const auto document = machine.carry_out(bind_request(card));
  INFO(document.dump(1));
  CHECK(machine.kernel.bindings() == before);
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "restore_unknown");
  CHECK(document["error"]["restored"].is_null());
  CHECK(document["error"]["unknown"] == nlohmann::json::array({card}));
  CHECK(document["error"]["unrestored"].empty());
  CHECK(document["error"]["undo_failures"].size() == 1);
  CHECK(machine.engine->originals().left_incomplete_by(at(card)) == document["id"].get<std::string>());
  machine.kernel.unblock(lock);
  machine.workers.resume();
  machine.io.restart();
  machine.io.poll();
  CHECK(machine.carry_out(bind_request(card))["state"] == "succeeded");
  CHECK(machine.engine->originals().left_incomplete_by(at(card)).empty());
}

TEST_CASE("When a worker dies after its write, the device is as it was before", "[long]") {
  for (const auto& scenario : scenarios()) {
    const auto count = writes_of(scenario);
    for (std::size_t nth = 1; nth <= count; ++nth) {
      Machine machine(scenario);
      const auto before = machine.kernel.bindings();
      machine.workers.die_after_nth_step(nth);
      const auto document = machine.carry_out(scenario.request);
      INFO(scenario.name << ", step " << nth << "\n" << document.dump(1));
      CHECK(document["state"] == "failed");
      CHECK(machine.kernel.bindings() == before);
      CHECK(document["error"]["restored"] == true);
    }
  }
}

TEST_CASE("A give-back is still possible after a failed one") {
  Scenario scenario{"", {bind_request("0000:05:00.0")}, request_of(ChangeKind::Restore, "0000:05:00.0")};
  Machine machine(scenario);
  machine.kernel.refuse_probe("e1000e", "0000:05:00.0", EIO);
  CHECK(machine.carry_out(scenario.request)["state"] == "failed");
  CHECK(machine.kernel.bindings().at("0000:05:00.0") == "vfio-pci override vfio-pci");
  machine.kernel.refuse_probe("e1000e", "0000:05:00.0", 0);
  CHECK(machine.carry_out(scenario.request)["state"] == "succeeded");
  CHECK(machine.kernel.bindings().at("0000:05:00.0") == "e1000e override -");
}

}  // namespace devbindd::engine_failure_test
