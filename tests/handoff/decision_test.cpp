// SPDX-License-Identifier: Apache-2.0
// What becomes of a request whose facts are known.
#include "handoff/operation/decision.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"

namespace devbindd::decision_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;

const std::string card = "0000:05:00.0";

std::vector<Part> parts(ChangeRequest request, MemberFacts member) {
  auto facts = facts_of({std::move(member)});
  for (const auto* driver : {"vfio-pci", "e1000e"}) {
    facts.drivers[driver] = {.registered = true, .module = driver, .module_state = sysfs::ModuleState::Loaded};
  }
  return {{std::move(request), std::move(facts)}};
}

std::expected<Plan, Decision> decided(const ChangeRequest& request, const MemberFacts& member, bool dry_run = false) {
  return decide(request, parts(request, member), dry_run);
}

}  // namespace

TEST_CASE("A plan with steps that nothing speaks against is to be carried out, and shown by a dry run") {
  const auto made = decided(bind_request(card), member(card, "e1000e"));
  REQUIRE(made.has_value());
  CHECK_FALSE(made->steps.empty());
  const auto shown = decided(bind_request(card), member(card, "e1000e"), true);
  REQUIRE_FALSE(shown.has_value());
  const auto& preview = std::get<Preview>(shown.error());
  CHECK(preview.plan.steps == made->steps);
  CHECK(preview.refused_by.empty());
}

TEST_CASE("Evidence refuses a change, and a dry run says so") {
  auto used = member(card, "e1000e");
  used.claimed_by = "claim-1";
  used.cordoned = "to be replaced";
  used.uses_known = false;
  const auto refused = decided(bind_request(card), used);
  REQUIRE_FALSE(refused.has_value());
  const auto& refusal = std::get<Refusal>(refused.error());
  CHECK(refusal.error.code == ErrorCode::Refused);
  CHECK(refusal.error.message.ends_with(" (and more: see blockers)"));
  CHECK(refusal.evidence.size() > 1);
  const auto shown = decided(bind_request(card), used, true);
  REQUIRE_FALSE(shown.has_value());
  CHECK(codes(std::get<Preview>(shown.error()).refused_by) == codes(refusal.evidence));
}

TEST_CASE("Where the wanted state is there already nothing is done, unless the device is another one's") {
  auto there = given(member(card, "vfio-pci", "vfio-pci"), "e1000e");
  const auto unchanged = decided(bind_request(card), there);
  REQUIRE_FALSE(unchanged.has_value());
  CHECK(std::get<Unchanged>(unchanged.error()).plan.steps.empty());
  there.claimed_by = "claim-1";
  const auto refused = decided(bind_request(card), there);
  REQUIRE_FALSE(refused.has_value());
  CHECK(codes(std::get<Refusal>(refused.error()).evidence) == std::vector<std::string>{"claim.held"});
}

TEST_CASE("What devbindd did not bind is not given back") {
  const auto refused = decided(request_of(ChangeKind::Restore, card), member(card, "vfio-pci", "vfio-pci"), true);
  REQUIRE_FALSE(refused.has_value());
  CHECK(std::get<Refusal>(refused.error()).error.code == ErrorCode::NothingToRestore);
}

TEST_CASE("A probe that is in the way has no id of an operation") {
  CHECK(in_the_way("op-1").operation == "op-1");
  CHECK(in_the_way("op-1").error.message == "operation op-1 works on this device or its IOMMU group");
  CHECK(in_the_way(probe_holder).operation.empty());
  CHECK(in_the_way(probe_holder).error.message == "an active probe works on this device or its IOMMU group");
}

}  // namespace devbindd::decision_test
