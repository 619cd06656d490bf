// SPDX-License-Identifier: Apache-2.0
// The planner: the exact steps of every kind of change, each with its undo.
#include "handoff/plan/plan.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"

namespace devbindd::plan_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::Step;
using sysfs::StepKind;
using Steps = std::vector<PlannedStep>;

const auto a = at("0000:05:00.0");
const auto b = at("0000:05:00.1");

Step set(const sysfs::PciAddress& address, const char* driver) { return {StepKind::SetOverride, address, driver}; }
Step clear(const sysfs::PciAddress& address) { return {StepKind::ClearOverride, address, ""}; }
Step unbind(const sysfs::PciAddress& address, const char* driver) { return {StepKind::Unbind, address, driver}; }
Step bind(const sysfs::PciAddress& address, const char* driver) { return {StepKind::Bind, address, driver}; }
Step load(const char* module) { return {StepKind::LoadModule, {}, module}; }
Step add(const char* id) { return {StepKind::AddId, {}, id}; }
Step drop(const char* id) { return {StepKind::RemoveId, {}, id}; }

}  // namespace

TEST_CASE("A device is taken from its kernel driver: override, unbind, bind") {
  const auto made = plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0", "e1000e")}));
  CHECK(made.steps == Steps{{set(a, "vfio-pci"), {clear(a)}},
                            {unbind(a, "e1000e"), {set(a, "e1000e"), bind(a, "e1000e"), set(a, "vfio-pci")}},
                            {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}}});
  REQUIRE(made.transitions.size() == 1);
  CHECK(made.transitions[0].driver_before == "e1000e");
  CHECK(made.transitions[0].override_before == std::nullopt);
  CHECK(made.transitions[0].driver_after == "vfio-pci");
  CHECK(made.transitions[0].override_after == "vfio-pci");
}

TEST_CASE("A device without driver needs no unbind, and one whose override fits no override") {
  CHECK(plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0")})).steps ==
        Steps{{set(a, "vfio-pci"), {clear(a)}}, {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}}});
  CHECK(plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0", nullptr, "vfio-pci")})).steps ==
        Steps{{bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}}});
}

TEST_CASE("The undo of an override is the override that was there") {
  const auto made = plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0", nullptr, "none")}));
  CHECK(made.steps.front() == PlannedStep{set(a, "vfio-pci"), {set(a, "none")}});
}

TEST_CASE("A group is changed in three rounds: every override, every unbind, every bind") {
  auto facts = facts_of({member("0000:05:00.0", "e1000e"), member("0000:05:00.1", "nvme", "nvme")});
  facts.bystanders.push_back(device("0000:04:00.0", "pcieport", 0x060400));
  const auto made = plan(bind_request("0000:05:00.0", "vfio-pci", Scope::Group), facts);
  CHECK(made.evidence.empty());  // the bridge stays as it is, and blocks nothing
  CHECK(made.steps == Steps{{set(a, "vfio-pci"), {clear(a)}},
                            {set(b, "vfio-pci"), {set(b, "nvme")}},
                            {unbind(a, "e1000e"), {set(a, "e1000e"), bind(a, "e1000e"), set(a, "vfio-pci")}},
                            {unbind(b, "nvme"), {set(b, "nvme"), bind(b, "nvme"), set(b, "vfio-pci")}},
                            {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}},
                            {bind(b, "vfio-pci"), {unbind(b, "vfio-pci")}}});
}

TEST_CASE("A bridge whose driver would keep the group from VFIO is unbound first, by either method, and given back") {
  auto bridge = member("0000:04:00.0", "shpchp");
  bridge.device.class_code = 0x060400;
  const auto up = at("0000:04:00.0");
  const auto facts = facts_of({bridge, member("0000:05:00.0")});
  const PlannedStep freed{unbind(up, "shpchp"), {set(up, "shpchp"), bind(up, "shpchp"), clear(up)}};
  CHECK(plan(bind_request("0000:05:00.0", "vfio-pci", Scope::Group), facts).steps ==
        Steps{{set(a, "vfio-pci"), {clear(a)}}, freed, {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}}});
  const auto by_id = plan(new_id_request("0000:05:00.0", "vfio-pci", Scope::Group), facts);
  REQUIRE(by_id.steps.size() == 4);
  CHECK(by_id.steps.front() == freed);
  CHECK(by_id.transitions.front().driver_after == std::nullopt);

  bridge.device.driver.reset();
  const auto back = plan(request_of(ChangeKind::Restore, "0000:05:00.0"), facts_of({given(bridge, "shpchp")}));
  CHECK(back.steps == Steps{{set(up, "shpchp"), {clear(up)}},
                            {bind(up, "shpchp"), {unbind(up, "shpchp")}},
                            {clear(up), {set(up, "shpchp")}}});
}

TEST_CASE("Members of a group that are bound as wanted are left alone") {
  const auto made = plan(bind_request("0000:05:00.0", "vfio-pci", Scope::Group),
                         facts_of({member("0000:05:00.0", "vfio-pci"), member("0000:05:00.1")}));
  CHECK(made.steps == Steps{{set(b, "vfio-pci"), {clear(b)}}, {bind(b, "vfio-pci"), {unbind(b, "vfio-pci")}}});
}

TEST_CASE("What is bound as wanted takes no step, whatever its override") {
  CHECK(plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0", "vfio-pci")})).steps.empty());
  CHECK(plan(bind_request("0000:05:00.0"), facts_of({member("0000:05:00.0", "vfio-pci", "other")})).steps.empty());
  CHECK(plan(new_id_request("0000:05:00.0"), facts_of({member("0000:05:00.0", "vfio-pci")})).steps.empty());
  CHECK(plan(request_of(ChangeKind::Unbind, "0000:05:00.0"), facts_of({member("0000:05:00.0")})).steps.empty());
}

TEST_CASE("A kernel driver gets the device without an override that stays") {
  const auto made =
      plan(bind_request("0000:05:00.0", "e1000e"), facts_of({member("0000:05:00.0", "vfio-pci", "vfio-pci")}));
  CHECK(made.steps == Steps{{set(a, "e1000e"), {set(a, "vfio-pci")}},
                            {unbind(a, "vfio-pci"), {set(a, "vfio-pci"), bind(a, "vfio-pci"), set(a, "e1000e")}},
                            {bind(a, "e1000e"), {unbind(a, "e1000e")}},
                            {clear(a), {set(a, "e1000e")}}});
  CHECK(made.transitions[0].override_after == std::nullopt);
  // One that the administrator had set to this very driver stays.
  const auto kept = plan(bind_request("0000:05:00.0", "e1000e"), facts_of({member("0000:05:00.0", nullptr, "e1000e")}));
  CHECK(kept.steps == Steps{{bind(a, "e1000e"), {unbind(a, "e1000e")}}});
}

TEST_CASE("A driver that is not registered has its module loaded first, once, and not unloaded again") {
  auto facts = facts_of({member("0000:05:00.0"), member("0000:05:00.1")});
  facts.drivers["vfio-pci"] = {.registered = false, .module = "vfio_pci", .module_state = sysfs::ModuleState::Loadable};
  const auto made = plan(bind_request("0000:05:00.0", "vfio-pci", Scope::Group), facts);
  CHECK(made.evidence.empty());
  REQUIRE(made.steps.size() == 5);
  CHECK(made.steps.front() == PlannedStep{load("vfio_pci"), {}});
}

TEST_CASE("By new_id: unbind, the ID, its devices, and the ID away") {
  const auto made = plan(new_id_request("0000:05:00.0"), facts_of({member("0000:05:00.0", "e1000e")}));
  CHECK(made.steps == Steps{{unbind(a, "e1000e"), {set(a, "e1000e"), bind(a, "e1000e"), clear(a)}},
                            {add("vfio-pci 8086 10d3"), {drop("vfio-pci 8086 10d3")}},
                            {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}},
                            {drop("vfio-pci 8086 10d3"), {}}});
  CHECK(made.transitions[0].override_after == std::nullopt);
}

TEST_CASE("By new_id an override of another driver goes first, and one of this driver stays") {
  CHECK(plan(new_id_request("0000:05:00.0"), facts_of({member("0000:05:00.0", nullptr, "e1000e")})).steps.front() ==
        PlannedStep{clear(a), {set(a, "e1000e")}});
  CHECK(plan(new_id_request("0000:05:00.0"), facts_of({member("0000:05:00.0", nullptr, "vfio-pci")})).steps.front() ==
        PlannedStep{add("vfio-pci 8086 10d3"), {drop("vfio-pci 8086 10d3")}});
}

TEST_CASE("By new_id a group has each ID once, followed by the devices that it binds") {
  auto other = member("0000:05:00.1");
  other.device.device = 0x0953;
  const auto made = plan(new_id_request("0000:05:00.0", "vfio-pci", Scope::Group),
                         facts_of({member("0000:05:00.0"), other, member("0000:05:00.2")}));
  const auto c = at("0000:05:00.2");
  CHECK(made.steps == Steps{{add("vfio-pci 8086 0953"), {drop("vfio-pci 8086 0953")}},
                            {bind(b, "vfio-pci"), {unbind(b, "vfio-pci")}},
                            {add("vfio-pci 8086 10d3"), {drop("vfio-pci 8086 10d3")}},
                            {bind(a, "vfio-pci"), {unbind(a, "vfio-pci")}},
                            {bind(c, "vfio-pci"), {unbind(c, "vfio-pci")}},
                            {drop("vfio-pci 8086 0953"), {}},
                            {drop("vfio-pci 8086 10d3"), {}}});
}

TEST_CASE("An unbind keeps the override") {
  const auto made =
      plan(request_of(ChangeKind::Unbind, "0000:05:00.0"), facts_of({member("0000:05:00.0", "vfio-pci", "vfio-pci")}));
  CHECK(made.steps == Steps{{unbind(a, "vfio-pci"), {bind(a, "vfio-pci")}}});
  CHECK(made.transitions[0].driver_after == std::nullopt);
  CHECK(made.transitions[0].override_after == "vfio-pci");
}

TEST_CASE("A give-back returns the driver and then the override of before") {
  const auto made = plan(request_of(ChangeKind::Restore, "0000:05:00.0"),
                         facts_of({given(member("0000:05:00.0", "vfio-pci", "vfio-pci"), "e1000e")}));
  CHECK(made.steps == Steps{{set(a, "e1000e"), {set(a, "vfio-pci")}},
                            {unbind(a, "vfio-pci"), {set(a, "vfio-pci"), bind(a, "vfio-pci"), set(a, "e1000e")}},
                            {bind(a, "e1000e"), {unbind(a, "e1000e")}},
                            {clear(a), {set(a, "e1000e")}}});
}

TEST_CASE("A give-back of a device that had no driver only unbinds it") {
  const auto made = plan(request_of(ChangeKind::Restore, "0000:05:00.0"),
                         facts_of({given(member("0000:05:00.0", "vfio-pci", "vfio-pci"), nullptr)}));
  CHECK(made.steps == Steps{{unbind(a, "vfio-pci"), {bind(a, "vfio-pci")}}, {clear(a), {set(a, "vfio-pci")}}});
}

TEST_CASE("A give-back leaves the administrator's own override") {
  const auto made = plan(request_of(ChangeKind::Restore, "0000:05:00.0"),
                         facts_of({given(member("0000:05:00.0", "vfio-pci", "vfio-pci"), "e1000e", "e1000e")}));
  REQUIRE(made.steps.size() == 3);
  CHECK(made.steps.back() == PlannedStep{bind(a, "e1000e"), {unbind(a, "e1000e")}});
  CHECK(made.transitions[0].override_after == "e1000e");
  const auto odd = plan(request_of(ChangeKind::Restore, "0000:05:00.0"),
                        facts_of({given(member("0000:05:00.0", "vfio-pci", "vfio-pci"), "e1000e", "parked")}));
  CHECK(odd.steps.back() == PlannedStep{set(a, "parked"), {set(a, "e1000e")}});
}

TEST_CASE("A give-back of what has its driver again only cleans the override up") {
  CHECK(plan(request_of(ChangeKind::Restore, "0000:05:00.0"),
             facts_of({given(member("0000:05:00.0", "e1000e", "vfio-pci"), "e1000e")}))
            .steps == Steps{{clear(a), {set(a, "vfio-pci")}}});
  CHECK(plan(request_of(ChangeKind::Restore, "0000:05:00.0"), facts_of({member("0000:05:00.0", "vfio-pci")}))
            .steps.empty());
}

TEST_CASE("The single steps are planned as they are asked for") {
  auto request = request_of(ChangeKind::SetOverride, "0000:05:00.0");
  request.driver = driver_named("vfio-pci");
  CHECK(plan(request, facts_of({member("0000:05:00.0")})).steps == Steps{{set(a, "vfio-pci"), {clear(a)}}});
  CHECK(plan(request, facts_of({member("0000:05:00.0", nullptr, "vfio-pci")})).steps.empty());
  CHECK(plan(request_of(ChangeKind::ClearOverride, "0000:05:00.0"), facts_of({member("0000:05:00.0", nullptr, "x")}))
            .steps == Steps{{clear(a), {set(a, "x")}}});
  CHECK(plan(id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"), tests::facts_of({})).steps ==
        Steps{{add("vfio-pci 8086 10d3"), {drop("vfio-pci 8086 10d3")}}});
  CHECK(plan(id_request(ChangeKind::RemoveId, "vfio-pci", "8086 10d3"), tests::facts_of({})).steps ==
        Steps{{drop("vfio-pci 8086 10d3"), {add("vfio-pci 8086 10d3")}}});
}

TEST_CASE("A request for a group affects its members, without bridges; a give-back those that were touched") {
  const auto target = device("0000:05:00.1", "e1000e");
  const std::vector group{device("0000:04:00.0", "pcieport", 0x060400), device("0000:05:00.0", nullptr), target,
                          device("0000:05:00.2", nullptr)};
  const auto c = at("0000:05:00.2");
  CHECK(affected_devices(bind_request("0000:05:00.1"), target, group, {}) == std::vector{b});
  CHECK(affected_devices(bind_request("0000:05:00.1", "vfio-pci", Scope::Group), target, group, {}) ==
        std::vector{a, b, c});
  const auto restore = request_of(ChangeKind::Restore, "0000:05:00.1");
  CHECK(affected_devices(restore, target, group, {}) == std::vector{b});
  Original original;
  original.scope = Scope::Group;
  CHECK(affected_devices(restore, target, group, {{a, original}, {b, original}}) == std::vector{a, b});
  original.scope = Scope::Device;
  CHECK(affected_devices(restore, target, group, {{a, original}, {b, original}}) == std::vector{b});
  auto hotplug = group;
  hotplug.front() = device("0000:04:00.0", "shpchp", 0x060400);
  CHECK(affected_devices(bind_request("0000:05:00.1", "vfio-pci", Scope::Group), target, hotplug, {}).size() == 4);
  CHECK(affected_devices(bind_request("0000:05:00.1", "e1000e", Scope::Group), target, hotplug, {}).size() == 3);
  CHECK(affected_devices(bind_request("0000:05:00.1"), target, hotplug, {}).size() == 1);
  const auto bridge = device("0000:04:00.0", "pcieport", 0x060400);
  CHECK(affected_devices(bind_request("0000:04:00.0"), bridge, group, {}) == std::vector{bridge.address});
}

TEST_CASE("The drivers that a plan may need are those asked for and those of before") {
  using Names = std::vector<sysfs::DriverName>;
  const auto touched = given(member("0000:05:00.0", "vfio-pci"), "e1000e");
  CHECK(drivers_needed(bind_request("0000:05:00.0"), {touched}) == Names{driver_named("vfio-pci")});
  CHECK(drivers_needed(request_of(ChangeKind::Restore, "0000:05:00.0"), {touched, touched}) ==
        Names{driver_named("e1000e")});
  CHECK(drivers_needed(request_of(ChangeKind::Restore, "0000:05:00.0"), {member("0000:05:00.0")}).empty());
  CHECK(drivers_needed(request_of(ChangeKind::Unbind, "0000:05:00.0"), {touched}).empty());
}

TEST_CASE("A record is another device's when any of its IDs differs") {
  const auto one = device("0000:05:00.0", nullptr);
  Original original{.address = a,
                    .vendor = one.vendor,
                    .device = one.device,
                    .subsystem_vendor = one.subsystem_vendor,
                    .subsystem_device = one.subsystem_device,
                    .driver = {},
                    .driver_override = {},
                    .scope = Scope::Device,
                    .operation = {}};
  CHECK(same_identity(original, one));
  const auto field =
      GENERATE(&Original::vendor, &Original::device, &Original::subsystem_vendor, &Original::subsystem_device);
  original.*field = 0x4242;
  CHECK_FALSE(same_identity(original, one));
}

}  // namespace devbindd::plan_test
