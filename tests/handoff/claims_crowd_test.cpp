// SPDX-License-Identifier: Apache-2.0
// Many claims by selector at once: each device is given once, nobody waits for nothing, and one claim costs as much as
// another.
#include <algorithm>
#include <map>
#include <set>

#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"

namespace devbindd::claims_crowd_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;

constexpr std::uint16_t fleet_id = 0x1521;

std::string member_at(unsigned number) {
  return sysfs::to_string(
      sysfs::PciAddress{0, static_cast<std::uint8_t>(0x20 + number / 8), static_cast<std::uint8_t>(number % 8), 0});
}

struct Fleet : ClaimMachine {
  explicit Fleet(unsigned count) {
    for (unsigned number = 0; number < count; ++number)
      kernel->add_device({.address = member_at(number), .device = fleet_id, .group = 100 + number, .driver = "igb"});
    restart();
  }

  static ClaimRequest any(unsigned count = 1) {
    ClaimRequest request;
    request.selector = Selector{.device = fleet_id, .count = count};
    request.owner.uids = {1000};
    return request;
  }

  std::shared_ptr<std::optional<ClaimOutcome>> begin(ClaimRequest request) {
    auto outcome = std::make_shared<std::optional<ClaimOutcome>>();
    claims->create(std::move(request), requester(), false,
                   [outcome](ClaimOutcome made) { *outcome = std::move(made); });
    return outcome;
  }

  std::size_t tasks() const { return stage->workers.tasks().size(); }
};

// The codes of the refused ones, and "made".
std::map<std::string, int> outcomes_of(Fleet& fleet,
                                       const std::vector<std::shared_ptr<std::optional<ClaimOutcome>>>& asked) {
  run_until(fleet.stage->io,
            [&asked] { return std::ranges::all_of(asked, [](const auto& outcome) { return outcome->has_value(); }); });
  std::map<std::string, int> counts;
  for (const auto& outcome : asked) {
    const auto* refused = std::get_if<Refusal>(&**outcome);
    ++counts[refused != nullptr ? std::string(sysfs::name_of(refused->error.code)) : "made"];
  }
  return counts;
}

}  // namespace

TEST_CASE("Many more claims than devices make one for each device, and the others are told that there are no more",
          "[long]") {
  constexpr unsigned devices = 40;
  constexpr int clients = 160;
  Fleet fleet(devices);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<std::optional<ClaimOutcome>>> asked;
  for (int client = 0; client < clients; ++client) asked.push_back(fleet.begin(Fleet::any()));
  const auto counts = outcomes_of(fleet, asked);
  CHECK(counts == std::map<std::string, int>{{"made", static_cast<int>(devices)},
                                             {"not_enough_devices", clients - static_cast<int>(devices)}});
  std::set<sysfs::PciAddress> given;
  for (const auto* claim : fleet.claims->all()) {
    for (const auto& device : claim->devices) CHECK(given.insert(device.address).second);
  }
  CHECK(given.size() == devices);
  CHECK(fleet.tasks() < 16 * devices);  // nothing is asked of a device for those who do not get it
  SUCCEED(
      "took " << std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count()
              << " ms and " << fleet.tasks() << " tasks");
}

TEST_CASE("Claims that wait for each other's looks choose one a turn, and others are answered between them") {
  constexpr unsigned devices = 8;
  Fleet fleet(devices);
  std::size_t looked = 0;
  fleet.labels_of = [&looked](const sysfs::Device&) {
    ++looked;
    return Labels{{"pool", "a"}};
  };
  fleet.restart();
  std::vector<std::shared_ptr<std::optional<ClaimOutcome>>> asked;
  for (int client = 0; client < 24; ++client) {
    auto request = Fleet::any();
    request.selector->labels = {{"pool", "a"}};
    asked.push_back(fleet.begin(std::move(request)));
  }
  std::size_t most = 0;
  const auto all_are_answered = [&] {
    most = std::max(most, std::exchange(looked, 0));
    return std::ranges::all_of(asked, [](const auto& outcome) { return outcome->has_value(); });
  };
  looked = 0;
  run_until(fleet.stage->io, all_are_answered);
  // Whose look has ended, who is next in the line behind it, and who had waited for it.
  CHECK(most <= 3 * devices);
}

TEST_CASE("A claim asks nothing of devices that are held, cordoned or worked on") {
  Fleet fleet(12);
  std::vector<std::size_t> tasks;
  for (int count = 0; count < 8; ++count) {
    const auto before = fleet.tasks();
    fleet.made(Fleet::any());
    tasks.push_back(fleet.tasks() - before);
  }
  CHECK(tasks == std::vector<std::size_t>(8, tasks.front()));

  const auto cordoned = member_at(8);
  bool stored = false;
  fleet.stage->engine->cordons().set(fleet.stage->engine->find_device(at(cordoned)).value(), "", {},
                                     [&stored](const auto&) { stored = true; });
  run_until(fleet.stage->io, [&stored] { return stored; });
  const auto worked_on = member_at(9);
  const auto release = fleet.stage->engine->reserve(fleet.stage->engine->find_device(at(worked_on)).value());
  REQUIRE(release);
  const auto before = fleet.tasks();
  const auto id = fleet.made(Fleet::any());
  CHECK(fleet.tasks() - before == tasks.front());
  CHECK(fleet.claims->find(id)->devices.front().address == at(member_at(10)));
  fleet.made(Fleet::any());
  const auto none = fleet.tasks();
  const auto refusal = fleet.refused(Fleet::any());
  CHECK(refusal.error.code == ErrorCode::NotEnoughDevices);
  CHECK(refusal.error.message.contains("of 12 devices that fit, 0 of the 1 wanted are free"));
  CHECK(fleet.tasks() == none);
  (*release)();
  CHECK(fleet.claims->find(fleet.made(Fleet::any()))->devices.front().address == at(worked_on));
}

TEST_CASE("Claims of several devices that meet do not wait for each other for ever, and none is left over") {
  Fleet fleet(5);
  std::vector<std::shared_ptr<std::optional<ClaimOutcome>>> asked;
  for (int client = 0; client < 6; ++client) asked.push_back(fleet.begin(Fleet::any(2)));
  CHECK(outcomes_of(fleet, asked) == std::map<std::string, int>{{"made", 2}, {"not_enough_devices", 4}});
  CHECK(std::holds_alternative<ClaimMade>(fleet.create(Fleet::any(1))));
}

TEST_CASE("A device that one claim looks at in vain is left to the next") {
  Fleet fleet(1);
  auto unreset = Fleet::any();
  unreset.reset = ReleaseReset::Required;  // it has none
  std::vector<std::shared_ptr<std::optional<ClaimOutcome>>> asked{fleet.begin(unreset), fleet.begin(Fleet::any()),
                                                                  fleet.begin(Fleet::any())};
  CHECK(outcomes_of(fleet, asked) == std::map<std::string, int>{{"made", 1}, {"not_enough_devices", 2}});
}

TEST_CASE("Nothing is done for a client that has left") {
  Fleet fleet(4);
  const auto connection = fleet.connected();
  bool left = false;
  connection->has_left = [&left] { return left; };
  std::vector<std::shared_ptr<std::optional<ClaimOutcome>>> asked;
  for (int client = 0; client < 40; ++client) asked.push_back(fleet.begin(Fleet::any()));
  left = true;  // most wait for their turn, the others are being looked at
  fleet.kernel->forget_writes();
  CHECK(outcomes_of(fleet, asked) == std::map<std::string, int>{{"claim_not_active", 40}});
  CHECK(fleet.kernel->writes().empty());
  left = false;
  CHECK(std::holds_alternative<ClaimMade>(fleet.create(Fleet::any(4))));
}

TEST_CASE("Virtual functions of one card are claimed side by side") {
  ClaimMachine machine;
  machine.kernel = sriov_machine();
  machine.restart();
  machine.stage->carry_out(functions_request(physical, 3, "none"));
  std::vector<std::optional<ClaimOutcome>> outcomes(3);
  for (auto& outcome : outcomes) {
    ClaimRequest request;
    request.selector = Selector{.physfn = at(physical)};
    machine.claims->create(std::move(request), machine.requester(), false,
                           [&outcome](ClaimOutcome made) { outcome = std::move(made); });
  }
  run_until(machine.stage->io, [&outcomes] {
    return std::ranges::all_of(outcomes, [](const auto& outcome) { return outcome.has_value(); });
  });
  for (const auto& outcome : outcomes) CHECK(std::holds_alternative<ClaimMade>(*outcome));
}

}  // namespace devbindd::claims_crowd_test
