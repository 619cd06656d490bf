// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_records.hpp"

#include <utility>

#include "handoff/claim/claim_audit.hpp"
#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {

void ClaimRecords::store(const Claim& claim, std::function<void(sysfs::Result<>)> done) const {
  // The journal keeps as many of the ended ones as it likes, but for those whose key is known.
  const bool kept = !holds_devices(claim) && is_key_known(claim);
  services_.journal.store(row_of(claim, kept ? "kept" : std::string(name_of(claim.state))),
                          [&services = services_, event = event_of(claim), done = std::move(done)](auto stored) {
                            tell_of(services, event);
                            done(std::move(stored));
                          });
}

void ClaimRecords::store(const Claim& claim) const {
  store(claim, [this](const sysfs::Result<>& stored) { warn(stored); });
}

void ClaimRecords::audit(const Claim& claim, AuditEvent event) const {
  const bool ended = event == AuditEvent::Ended && claim.ended_by;
  record(services_.journal, claim, event, ended ? *claim.ended_by : claim.requester,
         [this](const sysfs::Result<>& stored) { warn(stored); });
}

void ClaimRecords::audit(const ClaimRequest& request, const Refusal& refusal, const Requester& by,
                         const std::function<void()>& done) const {
  record_refusal(services_.journal, request, refusal, by, [this, done](const sysfs::Result<>& stored) {
    warn(stored);
    done();
  });
}

void ClaimRecords::warn(const sysfs::Result<>& done) const {
  if (!done && services_.warn) services_.warn(done.error().message);
}

void ClaimRecords::inform(const std::string& line) const {
  if (services_.inform) services_.inform(line);
}

}  // namespace devbindd::handoff
