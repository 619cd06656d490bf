// SPDX-License-Identifier: Apache-2.0
// Roles, the rules that give them, tokens, and the decision.
#include "api/access/access_rules.hpp"
#include "api/access/decision.hpp"
#include "tests/catch2.hpp"

namespace devbindd::access_test {

namespace {

using namespace devbindd::api;

const std::string digest_of_test = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

AccessRule group_rule(unsigned gid, Role role, handoff::Permission permission = {}) {
  return {{.kind = WhoKind::Group, .name = "g" + std::to_string(gid), .number = gid}, role, std::move(permission)};
}

AccessRule user_rule(unsigned uid, Role role) {
  return {{.kind = WhoKind::User, .name = "u" + std::to_string(uid), .number = uid}, role};
}

AccessRule everyone(Role role) { return {{.kind = WhoKind::Everyone}, role}; }

AccessRule token_rule(const std::string& name, Role role) {
  return {{.kind = WhoKind::Token, .name = name, .digest = token_digest_named("sha256:" + digest_of_test).value()},
          role};
}

AccessRules of(std::vector<AccessRule> rules) { return {.rules = std::move(rules), .configured = true}; }

Identity user(unsigned uid, std::vector<unsigned> groups = {}, Entrance entrance = Entrance::Unix) {
  return {.entrance = entrance, .uid = uid, .groups = std::move(groups)};
}

Identity tcp(std::optional<std::string> token = {}) { return {.entrance = Entrance::Tcp, .token = std::move(token)}; }

std::string rights_text(Role role) {
  std::string text;
  for (const auto right : rights()) {
    if (has(role, right)) text += std::string(text.empty() ? "" : " ") + std::string(name_of(right));
  }
  return text;
}

std::string outcome(const Grant& grant, Right right) {
  const auto denial = decide(grant, right);
  return denial ? std::to_string(denial->status) + " " + denial->code : "allowed";
}

sysfs::Device device(const std::string& address, std::uint16_t vendor) {
  sysfs::Device made;
  made.address = sysfs::parse_pci_address(address).value();
  made.vendor = vendor;
  return made;
}

handoff::Selector of_vendor(std::uint16_t vendor) {
  handoff::Selector selector;
  selector.vendor = vendor;
  return selector;
}

}  // namespace

TEST_CASE("each role has its rights", "[api][access]") {
  CHECK(rights_text(Role::None) == "service");
  CHECK(rights_text(Role::Reader) == "service own_claims read");
  CHECK(rights_text(Role::Claimant) == "service own_claims claim");
  CHECK(rights_text(Role::Operator) == "service own_claims read claim operate");
  CHECK(rights_text(Role::Admin) == "service own_claims read claim operate administer");
  for (const auto role : roles()) CHECK(role_named(name_of(role)) == role);
  CHECK_FALSE(role_named("none"));
  CHECK_FALSE(role_named("root"));
  CHECK(least_role_with(Right::Claim) == Role::Claimant);
  CHECK(least_role_with(Right::Read) == Role::Reader);
}

TEST_CASE("who no rule is for has nothing", "[api][access]") {
  const auto grant = grant_of(of({group_rule(36, Role::Operator)}), user(1000, {100}));
  CHECK(grant.role == Role::None);
  CHECK(grant.by == "no rule");
  CHECK_FALSE(grant.rule);
  CHECK(outcome(grant, Right::Service) == "allowed");
  CHECK(outcome(grant, Right::OwnClaims) == "403 forbidden");
  CHECK(outcome(grant, Right::Read) == "403 forbidden");
  CHECK(grant_of(AccessRules{}, user(1000)).role == Role::None);
}

TEST_CASE("root is an admin whatever the rules say", "[api][access]") {
  for (const auto entrance : {Entrance::Unix, Entrance::Claims}) {
    const auto grant = grant_of(of({user_rule(0, Role::Reader)}), user(0, {0}, entrance));
    CHECK(grant.role == Role::Admin);
    CHECK(grant.by == "root");
  }
}

TEST_CASE("the first rule that is for somebody counts", "[api][access]") {
  const auto rules = of({user_rule(1000, Role::Reader), group_rule(36, Role::Operator), everyone(Role::Claimant)});
  const auto first = grant_of(rules, user(1000, {36}));
  CHECK(first.role == Role::Reader);
  CHECK(first.by == "rule 1 of \"access\" (user u1000)");
  CHECK(first.rule == 0U);
  CHECK(grant_of(rules, user(1001, {5, 36})).role == Role::Operator);
  CHECK(grant_of(rules, user(1001, {5})).role == Role::Claimant);
  CHECK(grant_of(rules, {.entrance = Entrance::Unix}).role == Role::Claimant);
}

TEST_CASE("a user or a group that the host does not have is nobody", "[api][access]") {
  auto rule = user_rule(1000, Role::Admin);
  rule.who.number = std::nullopt;
  CHECK(grant_of(of({rule}), {.entrance = Entrance::Unix}).role == Role::None);
  rule.who.kind = WhoKind::Group;
  CHECK(grant_of(of({rule}), user(1000, {1000})).role == Role::None);
}

TEST_CASE("the default rules are as good as root for the group, and reading for the others", "[api][access]") {
  const auto rules = default_rules(36, "devbindd");
  CHECK(grant_of(rules, user(1000, {36})).role == Role::Admin);
  CHECK(grant_of(rules, user(1000, {36})).by == "the default rules (group devbindd)");
  CHECK(grant_of(rules, user(1000, {37})).role == Role::Reader);
  CHECK(grant_of(rules, tcp()).role == Role::Reader);
  CHECK(grant_of(default_rules(std::nullopt, "devbindd"), user(1000, {36})).role == Role::Reader);
}

TEST_CASE("at the socket of the owners nobody reads the host", "[api][access]") {
  const auto rules = of({group_rule(1, Role::Reader), group_rule(2, Role::Claimant), group_rule(3, Role::Operator)});
  for (const auto& [group, role] :
       {std::pair(1U, Role::None), {2U, Role::Claimant}, {3U, Role::Operator}, {4U, Role::None}}) {
    const auto grant = grant_of(rules, user(1000, {group}, Entrance::Claims));
    INFO(group);
    CHECK(grant.role == role);
    CHECK(outcome(grant, Right::OwnClaims) == "allowed");
    CHECK(outcome(grant, Right::Read) == (role == Role::Operator ? "allowed" : "403 forbidden"));
  }
}

TEST_CASE("who is not known reads at most", "[api][access]") {
  CHECK(grant_of(of({everyone(Role::Reader)}), tcp()).role == Role::Reader);
  CHECK(grant_of(of({everyone(Role::Claimant)}), tcp()).role == Role::None);
  CHECK(grant_of(of({group_rule(0, Role::Admin)}), tcp()).role == Role::None);
  auto rules = of({everyone(Role::Reader)});
  rules.every_local_user_is_admin = true;
  CHECK(grant_of(rules, tcp()).role == Role::Admin);
  CHECK(grant_of(rules, user(1000)).role == Role::Reader);
}

TEST_CASE("a token gives its role, another gives 401", "[api][access]") {
  const auto rules = of({everyone(Role::Reader), token_rule("ci", Role::Operator)});
  // The rule for everyone stands before: a token is asked for by itself.
  const auto grant = grant_of(of({token_rule("ci", Role::Operator), everyone(Role::Reader)}), tcp("test"));
  CHECK(grant.role == Role::Operator);
  CHECK(grant.token == "ci");
  CHECK(grant_of(rules, tcp("test")).role == Role::Operator);
  for (const auto* other : {"Test", "test ", "", "tes"}) {
    const auto wrong = grant_of(rules, tcp(other));
    CHECK(wrong.role == Role::None);
    CHECK(outcome(wrong, Right::Service) == "401 token_unknown");
  }
  const auto without = grant_of(rules, tcp());
  CHECK(outcome(without, Right::Read) == "allowed");
  CHECK(outcome(without, Right::Operate) == "401 token_needed");
  CHECK(outcome(grant_of(rules, tcp("test")), Right::Administer) == "403 forbidden");
  CHECK(outcome(grant_of(of({everyone(Role::Reader)}), tcp()), Right::Operate) == "403 forbidden");
  CHECK(outcome(grant_of(of({everyone(Role::Reader)}), tcp("test")), Right::Read) == "401 token_unknown");
  auto open = of({token_rule("ci", Role::Reader)});
  open.every_local_user_is_admin = true;
  CHECK(grant_of(open, tcp("test")).role == Role::Reader);
  CHECK(grant_of(open, tcp("x")).wrong_token);
}

TEST_CASE("digests and headers of tokens", "[api][access]") {
  const auto digest = token_digest_named("sha256:" + digest_of_test);
  REQUIRE(digest);
  CHECK(is_token("test", *digest));
  CHECK_FALSE(is_token("tesu", *digest));
  CHECK_FALSE(is_token("", *digest));
  for (const auto& text : {digest_of_test, "sha256:" + digest_of_test.substr(1), "sha256:" + digest_of_test + "0",
                           "sha256:+" + digest_of_test.substr(1), "sha1:" + digest_of_test, std::string("sha256:")})
    CHECK_FALSE(token_digest_named(text));
  CHECK(bearer_token("Bearer abc") == "abc");
  CHECK(bearer_token("bEARER   a b") == "a b");
  for (const auto* none : {"", "Bearer", "Bearer ", "Basic abc", "Bearerabc"}) CHECK(bearer_token(none).empty());
}

TEST_CASE("a decision goes by the devices, and says what would be needed", "[api][access]") {
  const auto intel = device("0000:01:00.0", 0x8086);
  const auto other = device("0000:02:00.0", 0x10de);
  handoff::Permission permission;
  permission.devices = {of_vendor(0x8086)};
  const auto grant = grant_of(of({group_rule(36, Role::Operator, permission)}), user(1000, {36}));
  CHECK_FALSE(decide(grant, Right::Operate, {&intel}));
  const auto denial = decide(grant, Right::Operate, {&intel, &other});
  REQUIRE(denial);
  CHECK(denial->code == "device_forbidden");
  CHECK(denial->status == 403);
  CHECK(denial->detail ==
        "the role operator (by rule 1 of \"access\" (group g36)) does not cover 0000:02:00.0: it needs a rule whose "
        "\"devices\" fit it");
  const auto no_right = decide(grant, Right::Administer, {&intel});
  REQUIRE(no_right);
  CHECK(no_right->needed == Right::Administer);
  CHECK(
      no_right->detail.starts_with("this caller has the role operator (by rule 1 of \"access\" (group g36)), without "
                                   "the right administer: it needs the role admin"));
}

TEST_CASE("a rule may go by the labels that policies give", "[api][access]") {
  const auto card = device("0000:01:00.0", 0x8086);
  handoff::Permission permission;
  permission.devices.emplace();
  permission.devices->emplace_back().labels = {{"pool", "vm"}};
  const auto grant = grant_of(of({group_rule(36, Role::Operator, permission)}), user(1000, {36}));
  const auto called = [](const std::string& pool) {
    return [pool](const sysfs::Device&) { return handoff::Labels{{"pool", pool}, {"rack", "7"}}; };
  };
  CHECK_FALSE(decide(grant, Right::Operate, {&card}, called("vm")));
  CHECK(decide(grant, Right::Operate, {&card}, called("host")));
  CHECK(decide(grant, Right::Operate, {&card}));
}

TEST_CASE("a permission names its drivers and its risks", "[api][access]") {
  handoff::ChangeRequest request;
  request.driver = sysfs::DriverName::parse("vfio-pci").value();
  request.accept_risks = {"net.carrier"};
  const auto code = [&request](const handoff::Permission& permission) {
    const auto denied = handoff::denied_request(permission, request);
    return denied ? std::string(sysfs::name_of(denied->code)) : "";
  };
  CHECK(code({}) == "");
  handoff::Permission permission{.drivers = {{"vfio-pci"}}, .risks = {{"net.carrier"}}};
  CHECK(code(permission) == "");
  permission.risks.emplace();
  CHECK(code(permission) == "risk_forbidden");
  permission.drivers = {{"nvme"}};
  CHECK(code(permission) == "driver_forbidden");
  permission.drivers.emplace();
  CHECK(code(permission) == "driver_forbidden");
}

}  // namespace devbindd::access_test
