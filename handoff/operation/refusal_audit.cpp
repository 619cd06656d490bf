// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/refusal_audit.hpp"

#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {
namespace {

std::vector<sysfs::PciAddress> devices_asked_for(const ChangeRequest& request) {
  std::vector<sysfs::PciAddress> devices;
  for (const auto& part : parts_of(request)) {
    if (part.address) devices.push_back(*part.address);
  }
  return devices;
}

}  // namespace

AuditEntry entry_of(const Refusal& refusal, const Requester& requester) {
  AuditEntry entry{.at = std::chrono::system_clock::now(),
                   .event = AuditEvent::Refused,
                   .requester = requester,
                   .request = {},
                   .operation = refusal.operation,
                   .outcome = std::string(sysfs::name_of(refusal.error.code)),
                   .detail = refusal.error.message,
                   .evidence = {},
                   .accepted = {},
                   .looked_at = refusal.looked_at};
  for (const auto& item : refusal.evidence) entry.evidence.push_back(item.code);
  return entry;
}

std::function<void(Decision)> audited(const EngineServices& services, const ChangeRequest& request,
                                      const Requester& requester, std::function<void(Decision)> decide) {
  return [&services, request, requester, decide = std::move(decide)](Decision decision) {
    const auto* refusal = std::get_if<Refusal>(&decision);
    if (refusal == nullptr || refusal->error.code == sysfs::ErrorCode::JournalFailed)
      return decide(std::move(decision));
    auto entry = entry_of(*refusal, requester);
    entry.request = request;
    auto row = row_of(entry, devices_asked_for(request));
    services.journal.record(std::move(row),
                            [&services, decide, decision = std::move(decision)](const sysfs::Result<>& stored) {
                              warn_of(services, stored);
                              decide(decision);
                            });
  };
}

}  // namespace devbindd::handoff
