// SPDX-License-Identifier: Apache-2.0
// Which claims a list has, and who may know of them.
#include "api/requests/claim_filter.hpp"

#include "tests/catch2.hpp"

namespace devbindd::claim_filter_test {

namespace {

using namespace devbindd;
using namespace devbindd::api;
using handoff::Claim;
using handoff::ClaimState;

Claim claim() {
  Claim claim;
  claim.id = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";
  claim.state = ClaimState::Active;
  claim.request.owner = {.users = {"vmm"}, .groups = {"kvm"}, .uids = {1000}, .gids = {}};
  claim.grantees = {.uids = {1000, 997}, .gids = {36}};
  claim.request.labels = {{"vm", "42"}, {"rack", ""}};
  claim.devices.push_back({.address = sysfs::parse_pci_address("0000:05:00.0").value()});
  claim.devices.push_back({.address = sysfs::parse_pci_address("0000:05:00.1").value(), .companion = true});
  return claim;
}

bool found_by(const std::vector<std::pair<std::string, std::string>>& parameters) {
  Mistakes mistakes;
  QueryReader query(parameters, mistakes);
  const auto filter = read_claim_filter(query);
  query.finish();
  REQUIRE(mistakes.none());
  return passes(claim(), filter);
}

Request by(std::optional<unsigned> uid, std::vector<unsigned> groups, Role role) {
  Request request;
  request.requester.uid = uid;
  request.groups = std::move(groups);
  request.grant.role = role;
  return request;
}

}  // namespace

TEST_CASE("a claim is found by what it is", "[api][claims]") {
  CHECK(found_by({}));
  CHECK(found_by({{"state", "active"}}));
  CHECK(found_by({{"state", "lost,active"}}));
  CHECK(found_by({{"device", "0000:05:00.1"}}));
  CHECK(found_by({{"device", "0000:06:00.0"}, {"device", "0000:05:00.0"}}));
  for (const auto* user : {"vmm", "1000", "997", "nobody,vmm"}) CHECK(found_by({{"user", user}}));
  for (const auto* group : {"kvm", "36"}) CHECK(found_by({{"group", group}}));
  for (const auto* label : {"vm", "vm=42", "rack=", "vm,rack"}) CHECK(found_by({{"label", label}}));
  CHECK(found_by({{"state", "active"}, {"user", "vmm"}, {"label", "vm=42"}, {"device", "0000:05:00.0"}}));
}

TEST_CASE("a claim is not found by what it is not", "[api][claims]") {
  CHECK_FALSE(found_by({{"state", "released"}}));
  CHECK_FALSE(found_by({{"device", "0000:06:00.0"}}));
  for (const auto* user : {"kvm", "36", "1001", ""}) CHECK_FALSE(found_by({{"user", user}}));
  for (const auto* group : {"vmm", "1000"}) CHECK_FALSE(found_by({{"group", group}}));
  for (const auto* label : {"vm=4", "vm=", "vm,pool", "pool", "rack=7"}) CHECK_FALSE(found_by({{"label", label}}));
  CHECK_FALSE(found_by({{"state", "active"}, {"user", "nobody"}}));
}

TEST_CASE("a filter names every value that it cannot have", "[api][claims]") {
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"state", "asleep"}, {"device", "x"}, {"label", "=1"}, {"label", ""}};
  Mistakes mistakes;
  QueryReader query(parameters, mistakes);
  (void)read_claim_filter(query);
  std::vector<std::string> places;
  for (const auto& mistake : mistakes.list()) places.push_back(mistake.pointer);
  CHECK(places == std::vector<std::string>{"?state", "?device", "?label", "?label"});
}

TEST_CASE("an owner knows his claim, and others know nothing of it at his door", "[api][claims]") {
  for (const auto& owner : {by(1000, {}, Role::None), by(997, {5}, Role::Claimant), by(5000, {4, 36}, Role::None),
                            by(1000, {}, Role::Reader)}) {
    CHECK(is_owner(owner, claim()));
    CHECK(may_see(owner, claim()));
  }
  CHECK_FALSE(may_see(by(1001, {100}, Role::None), claim()));
  CHECK_FALSE(may_see(by(1001, {100}, Role::Claimant), claim()));
  CHECK_FALSE(may_see(by(std::nullopt, {}, Role::Claimant), claim()));
  CHECK(may_see(by(1001, {}, Role::Reader), claim()));
  CHECK(may_see(by(1001, {}, Role::Operator), claim()));
}

TEST_CASE("who has made a claim for others has it while he may make claims", "[api][claims]") {
  auto made = claim();
  made.requester.uid = 1001;
  CHECK(is_own(by(1001, {}, Role::Claimant), made));
  CHECK_FALSE(is_own(by(1001, {}, Role::Reader), made));
  CHECK_FALSE(is_own(by(1002, {}, Role::Claimant), made));
  // Bearers of tokens have no uid, and neither have those who have nothing.
  made.requester.uid = std::nullopt;
  CHECK_FALSE(is_own(by(std::nullopt, {}, Role::Claimant), made));
  made.requester.token = "ci";
  auto bearer = by(std::nullopt, {}, Role::Claimant);
  bearer.requester.token = "ci";
  CHECK(is_own(bearer, made));
  bearer.requester.token = "cd";
  CHECK_FALSE(is_own(bearer, made));
}

}  // namespace devbindd::claim_filter_test
