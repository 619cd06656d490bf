// SPDX-License-Identifier: Apache-2.0
// Who gets a connection, and whose goes for it.
#include "api/http/admission.hpp"

#include "tests/catch2.hpp"

namespace devbindd::admission_test {

using namespace devbindd::api;
using Clock = std::chrono::steady_clock;

namespace {

constexpr ConnectionLimits limits{.all = 10, .reserve = 3, .transport = 5, .user = 2, .address = 3};

Clock::time_point at(int second) { return Clock::time_point(std::chrono::seconds(second)); }

Connected reader(unsigned uid, std::optional<int> idle = {}) {
  return {.tcp = false, .trusted = false, .uid = uid, .idle_since = idle ? std::optional(at(*idle)) : std::nullopt};
}

Connected over_tcp(std::optional<int> idle = {}) {
  return {.tcp = true, .trusted = false, .uid = {}, .idle_since = idle ? std::optional(at(*idle)) : std::nullopt};
}

Connected root(std::optional<int> idle = {}) {
  return {.tcp = false, .trusted = true, .uid = 0, .idle_since = idle ? std::optional(at(*idle)) : std::nullopt};
}

// "in", "for 3" or "away WHY".
std::string outcome(const std::vector<Connected>& present, const Connected& newcomer) {
  const auto admission = admit(present, newcomer, limits);
  if (const auto* instead = std::get_if<AdmittedFor>(&admission)) return "for " + std::to_string(instead->victim);
  if (const auto* away = std::get_if<TurnedAway>(&admission)) return "away " + away->why.substr(0, away->why.find(','));
  return "in";
}

std::vector<Connected> many(std::size_t count, const Connected& one) { return std::vector<Connected>(count, one); }

}  // namespace

TEST_CASE("there is room at first", "[api][admission]") {
  CHECK(outcome({}, reader(1000)) == "in");
  CHECK(outcome({}, over_tcp()) == "in");
  CHECK(outcome({}, root()) == "in");
}

TEST_CASE("a user has no more than his share, and his own idlest connection goes", "[api][admission]") {
  CHECK(outcome({reader(1), reader(2)}, reader(1)) == "in");
  CHECK(outcome({reader(1), reader(2, 1), reader(1)}, reader(1)) == "away 2 connections of this user are open");
  CHECK(outcome({reader(1, 7), reader(2, 1), reader(1, 5)}, reader(1)) == "for 2");
  CHECK(outcome({reader(1), reader(2, 1), reader(1)}, reader(3)) == "in");
  CHECK(outcome({root(), root(), root()}, root()) == "in");
}

TEST_CASE("a TLS client's address has no more than its share", "[api][admission]") {
  const auto from = [](std::string address, std::optional<int> idle = {}) {
    auto one = over_tcp(idle);
    one.address = std::move(address);
    return one;
  };
  const auto of_three = many(3, from("192.0.2.7"));
  CHECK(outcome(of_three, from("192.0.2.7")) == "away 3 connections from 192.0.2.7 are open");
  CHECK(outcome(of_three, from("192.0.2.8")) == "in");
  CHECK(outcome(of_three, over_tcp()) == "in");
  CHECK(outcome({from("192.0.2.7"), from("192.0.2.7", 4), from("192.0.2.7")}, from("192.0.2.7")) == "for 1");
}

TEST_CASE("one transport does not fill the other", "[api][admission]") {
  auto present = many(5, over_tcp());
  CHECK(outcome(present, over_tcp()) == "away 5 connections of readers over TCP are open");
  CHECK(outcome(present, reader(1)) == "in");
  present[3] = over_tcp(9);
  present[4] = over_tcp(8);
  CHECK(outcome(present, over_tcp()) == "for 4");
}

TEST_CASE("readers leave the reserve to those who may change things", "[api][admission]") {
  auto present = many(5, over_tcp());
  for (unsigned uid = 1; uid <= 2; ++uid) present.push_back(reader(uid));
  CHECK(outcome(present, reader(9)) == "away 7 connections of readers are open");
  for (auto taken = present.size(); taken < limits.all; ++taken) {
    CHECK(outcome(present, root()) == "in");
    present.push_back(root());
  }
  CHECK(outcome(present, root()) == "away 10 connections are open");
  present[8] = root(1);
  CHECK(outcome(present, root()) == "for 8");
  present[2] = over_tcp(30);  // a reader's goes first, however short it is idle
  CHECK(outcome(present, root()) == "for 2");
}

TEST_CASE("what is used by those who may change things is not a reader's", "[api][admission]") {
  auto present = many(10, root(1));
  CHECK(outcome(present, reader(1)) == "away 0 connections of readers are open");
}

TEST_CASE("without any connection nobody gets in", "[api][admission]") {
  constexpr ConnectionLimits none{.all = 0, .reserve = 0, .transport = 5, .user = 2};
  CHECK(std::holds_alternative<TurnedAway>(admit({}, root(), none)));
  CHECK(std::holds_alternative<TurnedAway>(admit({}, over_tcp(), none)));
}

}  // namespace devbindd::admission_test
