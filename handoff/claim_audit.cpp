#include "handoff/claim_audit.hpp"

#include <nlohmann/json.hpp>

#include "handoff/json.hpp"

namespace devbindd::handoff {

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
                   .accepted = {}};
  entry.request.claim = claim.id;
  entry.request.driver = claim.request.driver;
  entry.request.accept_risks = claim.request.accept_risks;
  AuditRow row;
  for (const auto& device : claim.devices) row.devices.push_back(sysfs::to_string(device.address));
  auto document = to_json(entry);
  document["request"].erase("method");  // of a bind
  document["request"]["devices"] = row.devices;
  row.document = dump(document);
  journal.record(std::move(row), std::move(done));
}

}  // namespace devbindd::handoff
