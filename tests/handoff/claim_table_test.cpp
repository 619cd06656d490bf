// SPDX-License-Identifier: Apache-2.0
// The claims that are known, without anything that happens to them: who holds what, which key stands for which claim,
// what is forgotten; the states; and the line of those that are made.
#include "handoff/claim/claim_table.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "handoff/claim/claim_line.hpp"
#include "handoff/journal/journal.hpp"
#include "tests/catch2.hpp"

namespace devbindd::claim_table_test {

namespace {

using namespace devbindd::handoff;

sysfs::Device card(const char* address, std::optional<unsigned> group) {
  sysfs::Device device;
  device.address = sysfs::parse_pci_address(address).value();
  device.iommu_group = group;
  return device;
}

Claim claim(const std::string& id, std::vector<sysfs::Device> devices = {}) {
  Claim made;
  made.id = id;
  made.state = ClaimState::Active;
  for (const auto& device : devices)
    made.devices.push_back({.address = device.address, .iommu_group = device.iommu_group});
  return made;
}

Requester user(unsigned uid) { return {.transport = "unix", .uid = uid, .pid = 1}; }

void end(Claim& claim) {
  claim.state = ClaimState::Released;
  claim.ended_at = std::chrono::system_clock::now();
}

std::vector<std::string> ids_of(const ClaimTable& table) {
  std::vector<std::string> ids;
  for (const auto* known : table.all()) ids.push_back(known->id);
  return ids;
}

Attempt attempt(const std::string& name, std::vector<std::string>& said) {
  auto made = std::make_shared<ClaimAttempt>();
  made->claim.id = name;
  made->done = [name, &said](const ClaimOutcome&) { said.push_back(name + " done"); };
  made->drop = [name, &said](const ClaimOutcome& outcome) {
    said.push_back(name + " " + std::string(sysfs::name_of(std::get<Refusal>(outcome).error.code)));
  };
  return made;
}

}  // namespace

TEST_CASE("A claim holds its devices and their groups until it is retired") {
  ClaimTable table;
  const auto one = card("0000:01:00.0", 7);
  table.add(claim("a", {one, card("0000:03:00.0", std::nullopt)}));
  CHECK(table.holder_of(one) == "a");
  CHECK(table.holder_of(card("0000:01:00.1", 7)) == "a");
  CHECK(table.holder_of(card("0000:03:00.0", std::nullopt)) == "a");
  CHECK(table.holder_of(card("0000:02:00.0", 8)).empty());
  CHECK(table.held().devices.at(one.address) == "a");
  CHECK(table.held().groups.size() == 1);
  end(table.at("a"));
  table.retire("a");
  CHECK(table.holder_of(one).empty());
  CHECK(table.held().devices.empty());
  CHECK(table.find("a") != nullptr);
}

TEST_CASE("Every claim has a larger fencing token than those before it, also than those of an earlier daemon") {
  ClaimTable table;
  auto old = claim("old");
  old.fencing_token = 41;
  table.adopt(old);
  table.add(claim("a"));
  table.add(claim("b"));
  CHECK(table.at("old").fencing_token == 41);
  CHECK(table.at("a").fencing_token == 42);
  CHECK(table.at("b").fencing_token == 43);
}

TEST_CASE("One that ends moves to the end of the list") {
  ClaimTable table;
  for (const auto* id : {"a", "b", "c"}) table.add(claim(id));
  end(table.at("b"));
  table.retire("b");
  CHECK(ids_of(table) == std::vector<std::string>{"a", "c", "b"});
  table.remove("a");
  CHECK(ids_of(table) == std::vector<std::string>{"c", "b"});
}

TEST_CASE("A key stands for the claim of one user, as long as it is known") {
  ClaimTable table;
  auto keyed = claim("a");
  keyed.request.idempotency_key = "k";
  keyed.requester = user(5);
  keyed.made = true;
  table.add(keyed);
  ClaimRequest request;
  CHECK(table.with_key(request, user(5)) == nullptr);
  request.idempotency_key = "k";
  REQUIRE(table.with_key(request, user(5)) != nullptr);
  CHECK(table.with_key(request, user(5))->id == "a");
  CHECK(table.with_key(request, user(6)) == nullptr);
  end(table.at("a"));
  CHECK(table.retire("a").empty());
  CHECK(table.with_key(request, user(5)) != nullptr);

  table.at("a").ended_at = std::chrono::system_clock::now() - key_lasts - std::chrono::minutes(1);
  table.add(claim("b"));
  end(table.at("b"));
  const auto changed = table.retire("b");
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].id == "a");
  CHECK_FALSE(changed[0].made);
  CHECK(table.with_key(request, user(5)) == nullptr);
}

TEST_CASE("Of those that are over the oldest are forgotten, except for those whose key is known") {
  ClaimTable table;
  auto keyed = claim("keyed");
  keyed.request.idempotency_key = "k";
  keyed.made = true;
  table.add(keyed);
  end(table.at("keyed"));
  table.retire("keyed");
  for (std::size_t number = 0; number <= max_ended_claims; ++number) {
    const auto id = std::to_string(number);
    table.add(claim(id));
    end(table.at(id));
    table.retire(id);
  }
  CHECK(table.find("0") == nullptr);
  CHECK(table.find("1") != nullptr);
  CHECK(table.find("keyed") != nullptr);
  CHECK(table.ids().size() == max_ended_claims + 1);
}

TEST_CASE("Who waits for a claim is answered once") {
  ClaimTable table;
  table.add(claim("a"));
  int made = 0;
  int released = 0;
  table.run_of("a").when_made.push_back([&made] { ++made; });
  table.run_of("a").when_released.push_back([&released](const std::optional<Refusal>& refusal) {
    CHECK_FALSE(refusal);
    ++released;
  });
  for (int time = 0; time < 2; ++time) {
    table.answer_creators("a");
    table.answer_releasers("a");
    table.answer_releasers("unknown");
  }
  CHECK(made == 1);
  CHECK(released == 1);
}

TEST_CASE("What has ended stays so, and only what is made or active begins to end") {
  constexpr std::array all{ClaimState::Preparing,   ClaimState::Active, ClaimState::Releasing,
                           ClaimState::Quarantined, ClaimState::Lost,   ClaimState::Released};
  for (const auto state : all) {
    CAPTURE(name_of(state));
    CHECK_FALSE(may_become(ClaimState::Released, state));
    CHECK_FALSE(may_become(ClaimState::Lost, state));
    CHECK_FALSE(may_become(state, state));
    CHECK_FALSE(may_become(state, ClaimState::Preparing));
    CHECK(may_become(state, ClaimState::Releasing) == (state == ClaimState::Preparing || state == ClaimState::Active));
    CHECK(may_become(state, ClaimState::Active) == (state == ClaimState::Preparing));
    CHECK(may_become(state, ClaimState::Lost) == (state != ClaimState::Lost && state != ClaimState::Released));
  }
}

TEST_CASE("A line begins as many as may be made at once, and the next when one has its answer") {
  std::vector<std::string> said;
  std::vector<Attempt> begun;
  ClaimLine line(
      2, [&begun](const Attempt& next) { begun.push_back(next); },
      [&said](const ClaimAttempt& over) { said.push_back(over.claim.id + " over"); });
  for (const auto* name : {"a", "b", "c", "d"}) line.add(attempt(name, said));
  CHECK(begun.size() == 2);
  CHECK(line.others_wait());
  begun[1]->done(ClaimMade{"b"});
  REQUIRE(begun.size() == 3);
  CHECK(begun[2]->claim.id == "c");
  begun[0]->drop(refusal(sysfs::ErrorCode::ClaimNotActive, "left"));
  CHECK(begun.size() == 4);
  CHECK_FALSE(line.others_wait());
  CHECK(said == std::vector<std::string>{"b over", "b done", "a over", "a claim_not_active"});
}

TEST_CASE("One that is answered at once makes room for the next at once") {
  std::vector<std::string> said;
  std::size_t begun = 0;
  ClaimLine line(
      1,
      [&begun](const Attempt& next) {
        ++begun;
        next->done(ClaimMade{next->claim.id});
      },
      [](const ClaimAttempt&) {});
  for (const auto* name : {"a", "b", "c"}) line.add(attempt(name, said));
  CHECK(begun == 3);
  CHECK(said == std::vector<std::string>{"a done", "b done", "c done"});
}

TEST_CASE("Too many in line are refused, without a line in the audit") {
  std::vector<std::string> said;
  ClaimLine line(
      1, [](const Attempt&) {}, [](const ClaimAttempt&) {});
  for (int number = 0; number < 4098; ++number) line.add(attempt(std::to_string(number), said));
  CHECK(said == std::vector<std::string>{"4097 too_busy"});
}

}  // namespace devbindd::claim_table_test
