// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_audit.hpp"

#include "handoff/journal/rows.hpp"
#include "handoff/operation/refusal_audit.hpp"

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
                   .accepted = {},
                   .looked_at = {}};
  entry.request.claim = claim.id;
  entry.request.driver = claim.request.driver;
  entry.request.accept_risks = claim.request.accept_risks;
  std::vector<sysfs::PciAddress> devices;
  for (const auto& device : claim.devices) devices.push_back(device.address);
  journal.record(row_of_claim(entry, devices), std::move(done));
}

void record_refusal(Journal& journal, const ClaimRequest& request, const Refusal& refusal, const Requester& by,
                    std::function<void(sysfs::Result<>)> done) {
  auto entry = entry_of(refusal, by);
  entry.kind = "claim";
  entry.request.driver = request.driver;
  entry.request.accept_risks = request.accept_risks;
  journal.record(row_of_claim(entry, request.devices), std::move(done));
}

}  // namespace devbindd::handoff
