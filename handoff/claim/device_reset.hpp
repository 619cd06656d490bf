// SPDX-License-Identifier: Apache-2.0
// The reset of a claim's devices at its end, one after the other. Not here: whether they are well afterwards
// (health_check.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/claim/claim_table.hpp"
#include "handoff/model/evidence.hpp"
#include "handoff/operation/engine.hpp"
#include "sysfs/kernel/step.hpp"

namespace devbindd::handoff {

/// Whether the kernel has a way to reset the device by itself. The file `reset` is there since the device was found,
/// when one of the methods for its kind works; somebody may have taken them away since (kernel 5.15). Neither waits for
/// the device. Source: pci-sysfs.c, pci_dev_reset_attr_is_visible(); pci.c, reset_method_show().
bool has_reset(const sysfs::Tree& tree, const sysfs::PciAddress& address);

/// What refuses a claim that requires a reset: a device of the group that has none.
std::optional<Evidence> without_reset(const sysfs::Tree& tree, const ClaimRequest& request,
                                      const std::vector<sysfs::Device>& group);

/// The reset that the end of the claim takes for this device; nullopt when it takes none, or it was tried already.
std::optional<sysfs::Step> reset_of(const sysfs::Inventory& inventory, const Claim& claim,
                                    const ClaimedDevice& claimed);

class DeviceReset {
 public:
  /// nullopt: the kernel is done with all of them. Else why the end of the claim waits; "" when that is known already.
  using Done = std::function<void(std::optional<std::string> waits)>;

  /// What came of the resets since this daemon runs.
  using Outcomes = std::map<ResetOutcome, std::uint64_t>;
  const Outcomes& outcomes() const { return outcomes_; }

  DeviceReset(Engine& engine, ClaimTable& claims) : engine_(engine), claims_(claims) {}

  /// Resets those of the claim's devices that are not in `open`: what is still open after its grace is not reset under
  /// whoever has it. Who waits for the claim's end is answered when it takes long. What came of each is noted in the
  /// claim, and in its faults.
  void run(const std::string& id, const std::set<sysfs::PciAddress>& open, const Done& done);

 private:
  struct Next {
    std::size_t at = 0;  ///< of the claim's devices; their number: all are done
    std::optional<std::string> waits = {};
  };

  Next next(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open);
  void run_from(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open, const Done& done);
  void reset(const sysfs::PciAddress& address, const std::string& id, OnResult<PerformStep> done);
  std::optional<std::string> must_wait(const sysfs::PciAddress& address);
  void note(const std::string& id, ClaimedDevice& claimed, const ResultOf<PerformStep>& result);

  Engine& engine_;
  ClaimTable& claims_;
  Outcomes outcomes_;
};

}  // namespace devbindd::handoff
