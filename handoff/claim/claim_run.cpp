// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_run.hpp"

#include <utility>

namespace devbindd::handoff {

Permit permit_for(const Claim& claim) {
  Permit permit{.subject = "claim " + claim.id};
  for (const auto& claimed : claim.devices) permit.devices.push_back(claimed.address);
  return permit;
}

std::string text_of(const DeviceFaults& faults) {
  std::string text;
  for (const auto& [address, fault] : faults) text += (text.empty() ? "" : "; ") + fault;
  return text;
}

void stop_watching_process(ClaimRun& run) {
  if (const auto stop = std::exchange(run.stop_watching, nullptr)) stop();
}

void forget_connections(ClaimRun& run, const std::string& claim) {
  const auto known = std::exchange(run.connections, std::nullopt);
  if (!known) return;
  for (const auto& connection : *known) connection->on_close.erase(claim);
}

}  // namespace devbindd::handoff
