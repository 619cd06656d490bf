// SPDX-License-Identifier: Apache-2.0
// Whether the devices of a claim that ends are any use to whoever comes next: read by workers, each judged by
// device_health.hpp. Not here: what is done about it (claim_release.hpp).
#pragma once

#include <functional>
#include <string>

#include "handoff/claim/claim_table.hpp"
#include "handoff/operation/engine.hpp"
#include "handoff/worker/config_reader.hpp"

namespace devbindd::handoff {

class HealthCheck {
 public:
  HealthCheck(Engine& engine, ClaimTable& claims) : engine_(engine), claims_(claims) {}

  /// Looks at all devices of the claim, when nobody has them open any longer, and so after the reset of the last close.
  /// `checked` comes when the claim's faults are known. A read that is late says nothing of the device, on a busy host:
  /// it is looked at again for a while.
  void run(const std::string& id, std::function<void()> checked);

 private:
  struct Search;

  void note(const std::string& id, const ClaimedDevice& claimed, const ConfigReader::Answer& config, Search& search);
  std::string fault_in(const ClaimedDevice& claimed, const ConfigReader::Answer& config) const;

  Engine& engine_;
  ClaimTable& claims_;
};

}  // namespace devbindd::handoff
