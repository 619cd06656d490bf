// SPDX-License-Identifier: Apache-2.0
// What a change of a device is told as, by whom it was made, and when a device has drifted.
#include "handoff/model/host_event.hpp"

#include <algorithm>

#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::host_event_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

sysfs::Device device(const char* driver, std::uint64_t inode = 1) {
  sysfs::Device made;
  made.address = at("0000:05:00.0");
  if (driver != nullptr) made.driver = sysfs::DriverName::parse(driver).value();
  made.iommu_group = 1;
  made.inode = inode;
  return made;
}

}  // namespace

TEST_CASE("The change of a device is told by the facts that changed", "[host_event]") {
  auto before = device("e1000e");
  before.interfaces = {"eth0"};
  auto after = device(nullptr);
  after.iommu_group = 2;
  after.virtfns = {at("0000:05:00.1")};
  const auto events = events_of({at("0000:05:00.0"), before, after}, "op");
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == EventKind::DeviceChanged);
  CHECK(events[0].operation == "op");
  CHECK(events[0].iommu_groups == std::vector<unsigned>{1, 2});
  const std::vector<FactChange> wanted = {
      {"driver", std::string("e1000e"), {}},
      {"iommu_group", std::uint64_t{1}, std::uint64_t{2}},
      {"interfaces", std::vector<std::string>{"eth0"}, std::vector<std::string>{}},
      {"virtfns", std::vector<std::string>{}, std::vector<std::string>{"0000:05:00.1"}}};
  CHECK(events[0].changes == wanted);
}

TEST_CASE("Devices come, go and are replaced; what is not told is no event", "[host_event]") {
  const auto address = at("0000:05:00.0");
  const auto kinds = [&address](std::optional<sysfs::Device> before, std::optional<sysfs::Device> after) {
    std::vector<EventKind> found;
    for (const auto& event : events_of({address, std::move(before), std::move(after)}, "")) found.push_back(event.kind);
    return found;
  };
  using Kinds = std::vector<EventKind>;
  CHECK(kinds({}, device("a")) == Kinds{EventKind::DeviceAdded});
  CHECK(kinds(device("a"), {}) == Kinds{EventKind::DeviceRemoved});
  CHECK(kinds(device("a", 1), device("a", 2)) == Kinds{EventKind::DeviceRemoved, EventKind::DeviceAdded});
  auto enabled = device("a");
  enabled.enable_count = 4;
  CHECK(kinds(device("a"), enabled).empty());
}

TEST_CASE("Steps are counted when they are over", "[host_event]") {
  auto made = operation("op", "0000:05:00.0", "e1000e", "vfio-pci");
  for (const auto state :
       {StepState::Done, StepState::Failed, StepState::Running, StepState::Blocked, StepState::Pending}) {
    StepRecord record;
    record.state = state;
    made.steps.push_back(record);
  }
  const auto event = event_of(made);
  CHECK(event.steps_done == 2);
  CHECK(event.steps == 5);
  CHECK(event.state == "running");
  CHECK(event.devices == std::vector{at("0000:05:00.0")});
}

TEST_CASE("Each kind of event has a name of its own", "[host_event]") {
  auto names = event_kind_names();
  CHECK(names.size() == 9);
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  CHECK(name_of(EventKind::Missed) == "resync");
}

}  // namespace devbindd::host_event_test
