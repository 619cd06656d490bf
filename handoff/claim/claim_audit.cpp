// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_audit.hpp"

#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"

namespace devbindd::handoff {

namespace {

void record(Journal& journal, const AuditEntry& entry, std::vector<std::string> devices,
            std::function<void(sysfs::Result<>)> done) {
  auto document = to_json(entry);
  document["request"].erase("method");  // of a bind
  document["request"]["devices"] = devices;
  journal.record({.devices = std::move(devices), .document = dump(document)}, std::move(done));
}

}  // namespace

void record(Journal& journal, const Claim& claim, AuditEvent event, const Requester& by,
            std::function<void(sysfs::Result<>)> done) {
  AuditEntry entry{.at = std::chrono::system_clock::now(),
                   .event = event,
                   .kind = "claim",
                   .requester = by,
                   .request = {},
                   .operation = event == AuditEvent::Ended ? claim.release_operation : claim.operation,
                   .outcome = std::string(name_of(claim.state)),
                   .detail = claim.reason,
                   .evidence = {},
                   .accepted = {},
                   .looked_at = {}};
  entry.request.claim = claim.id;
  entry.request.driver = claim.request.driver;
  entry.request.accept_risks = claim.request.accept_risks;
  std::vector<std::string> devices;
  for (const auto& device : claim.devices) devices.push_back(sysfs::to_string(device.address));
  record(journal, entry, std::move(devices), std::move(done));
}

void record_refusal(Journal& journal, const ClaimRequest& request, const Refusal& refusal, const Requester& by,
                    std::function<void(sysfs::Result<>)> done) {
  AuditEntry entry{.at = std::chrono::system_clock::now(),
                   .event = AuditEvent::Refused,
                   .kind = "claim",
                   .requester = by,
                   .request = {},
                   .operation = refusal.operation,
                   .outcome = std::string(sysfs::name_of(refusal.error.code)),
                   .detail = refusal.error.message,
                   .evidence = {},
                   .accepted = {},
                   .looked_at = refusal.looked_at};
  for (const auto& item : refusal.evidence) entry.evidence.push_back(item.code);
  entry.request.driver = request.driver;
  entry.request.accept_risks = request.accept_risks;
  std::vector<std::string> devices;
  for (const auto& address : request.devices) devices.push_back(sysfs::to_string(address));
  record(journal, entry, std::move(devices), std::move(done));
}

}  // namespace devbindd::handoff
