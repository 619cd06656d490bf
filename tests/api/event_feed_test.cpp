// SPDX-License-Identifier: Apache-2.0
// The numbered events of a host: who hears of which, who is woken, what is forgotten.
#include "api/context/event_feed.hpp"

#include <string>
#include <vector>

#include "tests/catch2.hpp"

namespace devbindd::event_feed_test {

namespace {

using namespace devbindd::api;
using handoff::EventKind;
using handoff::HostEvent;

const sysfs::PciAddress card{0, 5, 0, 0};
const sysfs::PciAddress other{0, 6, 0, 0};

struct Bench {
  std::vector<std::function<void()>> posted;
  std::string document = "{}";
  EventFeed feed{"0123abcd", [this](const HostEvent&, const std::string& id) { return id + document; },
                 [this](std::function<void()> work) { posted.push_back(std::move(work)); }};

  void run() {
    for (const auto& work : std::exchange(posted, {})) work();
  }
};

}  // namespace

TEST_CASE("Events are numbered, and read on from wherever one is", "[events]") {
  Bench bench;
  CHECK(bench.feed.newest() == 0);
  CHECK(bench.feed.after(0) == nullptr);
  for (int count = 0; count < 3; ++count) bench.feed.add({.devices = {card}});
  CHECK(bench.feed.id_of(bench.feed.newest()) == "0123abcd-3");
  REQUIRE(bench.feed.after(0) != nullptr);
  CHECK(bench.feed.after(0)->document == "0123abcd-1{}");
  CHECK(bench.feed.after(2)->number == 3);
  CHECK(bench.feed.after(3) == nullptr);
  CHECK(bench.feed.number_of("0123abcd-2") == 2);
  CHECK(bench.feed.number_of("0123abcd-0") == 0);
  for (const auto* text : {"0123abcd-4", "0123abcd", "0123abcd-", "0123abcd-x", "0123abce-1", "", "0123abcd2"})
    CHECK_FALSE(bench.feed.number_of(text));
}

TEST_CASE("Who waits is woken once for a burst, in a turn of its own", "[events]") {
  Bench bench;
  int woken = 0;
  auto waiting = bench.feed.when_more([&woken] { ++woken; });
  auto gone = bench.feed.when_more([&woken] { woken += 100; });
  gone.reset();
  bench.feed.add({});
  bench.feed.add({});
  CHECK(woken == 0);
  CHECK(bench.posted.size() == 1);
  bench.run();
  CHECK(woken == 1);
  bench.feed.add({});
  bench.run();
  CHECK(woken == 1);  // he has not asked again
}

TEST_CASE("The oldest events go, by number and by bytes, and whoever needs them can tell", "[events]") {
  Bench bench;
  const bool by_bytes = GENERATE(false, true);
  if (by_bytes) bench.document = std::string(EventFeed::max_bytes / 8, 'x');
  const std::size_t kept = by_bytes ? 7 : EventFeed::max_events;
  bench.feed.add({});
  CHECK(bench.feed.reaches_back_to(0));
  for (std::size_t count = 1; count < kept + 3; ++count) bench.feed.add({});
  CHECK_FALSE(bench.feed.reaches_back_to(0));
  CHECK_FALSE(bench.feed.reaches_back_to(2));
  CHECK(bench.feed.reaches_back_to(3));
  CHECK(bench.feed.after(0)->number == 4);
  CHECK(bench.feed.reaches_back_to(bench.feed.newest()));
}

TEST_CASE("A filter lets through what it names, and what may concern it", "[events]") {
  const HostEvent changed{.kind = EventKind::DeviceChanged, .devices = {card}, .iommu_groups = {7}, .operation = "op"};
  const HostEvent claimed{.kind = EventKind::ClaimChanged, .devices = {other}, .claim = "claim"};
  const HostEvent used{.kind = EventKind::UsageChanged};
  CHECK(wants({}, changed));
  CHECK(wants({.devices = {card}}, changed));
  CHECK_FALSE(wants({.devices = {other}}, changed));
  CHECK(wants({.iommu_groups = {7}}, changed));
  CHECK_FALSE(wants({.iommu_groups = {8}}, changed));
  CHECK(wants({.devices = {other}, .iommu_groups = {7}}, changed));
  CHECK(wants({.kinds = {"claim.changed"}}, claimed));
  CHECK_FALSE(wants({.kinds = {"claim.changed"}}, changed));
  CHECK(wants({.claims = {"claim"}}, claimed));
  CHECK_FALSE(wants({.claims = {"other"}}, claimed));
  CHECK(wants({.operations = {"op"}}, changed));
  CHECK_FALSE(wants({.devices = {card}, .operations = {"other"}}, changed));
  CHECK(wants({.devices = {card}}, used));
  CHECK(wants({.iommu_groups = {7}}, used));
  CHECK(wants({.devices = {card}, .kinds = {"claim.changed"}}, {.kind = EventKind::Missed}));
}

TEST_CASE("There is room for so many, and for fewer of one who may not change things", "[events]") {
  Bench bench;
  std::vector<std::shared_ptr<const EventFeed::Place>> places;
  for (std::size_t count = 0; count < EventFeed::max_followers_each; ++count)
    places.push_back(bench.feed.enter(1000, false));
  CHECK(places.back() != nullptr);
  CHECK(bench.feed.enter(1000, false) == nullptr);
  CHECK(bench.feed.enter(1001, false) != nullptr);
  CHECK(bench.feed.enter(std::nullopt, false) != nullptr);
  places.pop_back();
  CHECK(bench.feed.enter(1000, false) != nullptr);
  places.clear();
  CHECK(bench.feed.followers() == 0);
  for (std::size_t count = 0; count < EventFeed::max_followers; ++count) places.push_back(bench.feed.enter(0, true));
  CHECK(places.back() != nullptr);
  CHECK(bench.feed.enter(0, true) == nullptr);
}

}  // namespace devbindd::event_feed_test
