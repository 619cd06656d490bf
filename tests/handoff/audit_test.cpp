// SPDX-License-Identifier: Apache-2.0
// The audit: a line for every change that was begun, ended or refused, and it survives the daemon.
#include "handoff/model/audit.hpp"

#include <cerrno>

#include "handoff/journal/json.hpp"
#include "handoff/journal/operation_document.hpp"
#include "handoff/usage/usage_rules.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::audit_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using nlohmann::json;

std::vector<json> lines(Stage& stage, AuditQuery query = {}) {
  std::optional<std::vector<json>> read;
  stage.journal->read_audit(std::move(query), [&read](const sysfs::Result<AuditPage>& page) {
    read.emplace();
    for (const auto& row : page.value().rows) read->push_back(json::parse(row.document));
  });
  run_until(stage.io, [&read] { return read.has_value(); });
  return *read;
}

std::vector<std::string> events(Stage& stage) {
  std::vector<std::string> found;
  for (const auto& line : lines(stage))
    found.push_back(line["event"].get<std::string>() + " " + line["outcome"].get<std::string>());
  return found;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A change leaves two lines, a refusal one, a dry run and what changes nothing none") {
  Stage stage(usual_machine());
  stage.decide(bind_request(card), true);
  CHECK(lines(stage).empty());
  stage.carry_out(bind_request(card));
  stage.decide(bind_request(card));
  (void)stage.refused(bind_request("0000:06:00.0"));
  CHECK(events(stage) == Names{"refused refused", "ended succeeded", "begun running"});
  const auto refused = lines(stage).front();
  CHECK(refused["evidence"] == json{"device.bridge"});
  CHECK(refused["request"]["device"] == "0000:06:00.0");
  CHECK(refused["requested_by"]["pid"] == 1);
  CHECK(refused["operation"].is_null());
}

TEST_CASE("What failed and which risk was accepted is in the line") {
  Stage stage(usual_machine());
  stage.kernel.set_file("proc/net/route",
                        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                        "eth0\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
  stage.kernel.refuse_probe("vfio-pci", card, EIO);
  stage.carry_out(accepting(bind_request(card), {"net.default_route", "vfio.open"}));
  const auto ended = lines(stage).front();
  CHECK(ended["outcome"] == "failed");
  CHECK_FALSE(ended["detail"].is_null());
  CHECK(ended["accepted_risks"] == json{"net.default_route"});
}

TEST_CASE("Every line of a change says which rules had been looked at, and what they found") {
  Stage stage(usual_machine());
  stage.kernel.set_file("proc/net/route",
                        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                        "eth0\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
  stage.kernel.set_file("proc/iomem", "00000000-00000fff : Reserved\n");
  (void)stage.refused(bind_request(card));
  const auto id = stage.carry_out(accepting(bind_request(card), {"net.default_route"}))["id"].get<std::string>();
  const auto all = lines(stage);
  REQUIRE(all.size() == 3);  // ended, begun, refused
  for (const auto& line : all) {
    REQUIRE(line["looked_at"].size() == 1);
    const auto& looked = line["looked_at"][0];
    CHECK(looked["device"] == card);
    CHECK(looked["found"] == json{"routes"});
    CHECK(looked["nothing"].size() == usage_rules().size());  // and the claims
    CHECK(looked["nothing"].back() == "claims");
    CHECK(looked["not_visible"].empty());
  }
  CHECK(document_of(*stage.engine, id)["looked_at"] == all[0]["looked_at"]);
}

TEST_CASE("What was looked at comes back from an operation's document") {
  Operation operation;
  operation.id = "1";
  operation.looked_at = {{at(card),
                          {{"routes", Outcome::Found, "why"},
                           {"addresses", Outcome::Nothing, ""},
                           {"namespaces", Outcome::NotVisible, "because"}}}};
  const auto read = operation_from(to_json(operation));
  REQUIRE(read);
  CHECK(read->looked_at == operation.looked_at);
}

TEST_CASE("Lines are read newest first, by device, and from a place on") {
  Stage stage(usual_machine());
  stage.carry_out(bind_request(card));
  stage.carry_out(bind_request("0000:08:00.0"));
  CHECK(lines(stage, {.device = card}).size() == 2);
  CHECK(lines(stage, {.device = "0000:99:00.0"}).empty());
  CHECK(lines(stage, {.device = "", .before = 0, .limit = 3}).size() == 3);
  CHECK(lines(stage, {.device = "", .before = 2}).size() == 1);
  CHECK(lines(stage).front()["request"]["device"] == "0000:08:00.0");
}

TEST_CASE("The audit outlives the daemon and the boot") {
  const TemporaryDirectory directory;
  const auto path = (directory.path() / "state.db").string();
  auto kernel = usual_machine();
  {
    Stage stage(kernel, path);
    stage.carry_out(bind_request(card));
  }
  Stage stage(kernel, path, "boot-2");
  CHECK(events(stage) == Names{"ended succeeded", "begun running"});
}

}  // namespace devbindd::audit_test
