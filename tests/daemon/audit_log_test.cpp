// SPDX-License-Identifier: Apache-2.0
// What systemd's journal gets of the audit.
#include "daemon/audit_log.hpp"

#include <algorithm>

#include "handoff/journal/rows.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/requests.hpp"

namespace devbindd::audit_log_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using daemon::journal_fields;

AuditEntry refusal() {
  AuditEntry entry;
  entry.event = AuditEvent::Refused;
  entry.requester = {.transport = "unix", .uid = 1000, .pid = 4711};
  entry.requester.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  entry.request = bind_request("0000:05:00.0");
  entry.outcome = "refused";
  entry.detail = "it is in use\nMESSAGE=by a name";
  entry.evidence = {"net.route", "fs.mounted"};
  entry.accepted = {"net.route"};
  return entry;
}

bool has(const std::vector<std::string>& fields, const std::string& field) {
  return std::ranges::find(fields, field) != fields.end();
}

}  // namespace

TEST_CASE("an entry of the journal has each fact by name", "[daemon][audit]") {
  const auto fields = journal_fields(row_of(refusal(), {at("0000:05:00.0"), at("0000:05:00.1")}));
  CHECK(fields[0] ==
        "MESSAGE=bind of 0000:05:00.0, 0000:05:00.1 to vfio-pci for uid 1000: refused, refused: "
        "it is in use?MESSAGE=by a name");
  for (const auto* field :
       {"PRIORITY=4", "SYSLOG_IDENTIFIER=devbindd", "DEVBINDD_EVENT=refused", "DEVBINDD_KIND=bind",
        "DEVBINDD_OUTCOME=refused", "DEVBINDD_TRANSPORT=unix", "DEVBINDD_UID=1000", "DEVBINDD_PID=4711",
        "DEVBINDD_DRIVER=vfio-pci", "DEVBINDD_EVIDENCE=net.route", "DEVBINDD_EVIDENCE=fs.mounted",
        "DEVBINDD_ACCEPTED_RISK=net.route", "DEVBINDD_DEVICE=0000:05:00.0", "DEVBINDD_DEVICE=0000:05:00.1",
        "DEVBINDD_TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    INFO(field);
    CHECK(has(fields, field));
  }
  CHECK(has(fields, "MESSAGE_ID=" + std::string(daemon::audit_message_id)));
  CHECK(daemon::audit_message_id.size() == 32);
}

TEST_CASE("what is not known is no field, and a good end is a notice", "[daemon][audit]") {
  auto entry = refusal();
  entry.event = AuditEvent::Ended;
  entry.requester = {.transport = "tcp", .uid = {}, .pid = {}};
  entry.outcome = "succeeded";
  entry.detail.clear();
  const auto fields = journal_fields(row_of(entry, {at("0000:05:00.0")}));
  CHECK(fields[0] == "MESSAGE=bind of 0000:05:00.0 to vfio-pci for tcp: succeeded");
  CHECK(has(fields, "PRIORITY=5"));
  for (const auto& field : fields) {
    CHECK_FALSE(field.starts_with("DEVBINDD_UID="));
    CHECK_FALSE(field.starts_with("DEVBINDD_CLAIM="));
    CHECK_FALSE(field.starts_with("DEVBINDD_TRACEPARENT="));
  }
}

TEST_CASE("an entry has a bounded number of fields", "[daemon][audit]") {
  AuditRow row{.id = 0, .devices = {}, .document = "{}"};
  for (int number = 0; number < 1000; ++number) row.devices.push_back("0000:05:00.0");
  CHECK(journal_fields(row).size() <= 64);
}

TEST_CASE("lines of two users, and of two outcomes, do not count against each other", "[daemon][audit]") {
  auto entry = refusal();
  const auto kind = [&entry] { return daemon::kind_of(row_of(entry, {})); };
  const auto first = kind();
  entry.requester.pid = 4712;
  CHECK(kind() == first);
  entry.requester.uid = 1001;
  CHECK(kind() != first);
  entry.requester.uid = 1000;
  entry.outcome = "too_busy";
  CHECK(kind() != first);
}

}  // namespace devbindd::audit_log_test
