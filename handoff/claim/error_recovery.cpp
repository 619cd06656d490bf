// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/error_recovery.hpp"

#include <algorithm>
#include <optional>

namespace devbindd::handoff {
namespace {

std::optional<ErrorRecovery> recovery_in(const sysfs::Uevent& event) {
  const auto said = event.keys.find("ERROR_EVENT");
  if (said == event.keys.end()) return std::nullopt;
  if (said->second == "BEGIN_RECOVERY") return ErrorRecovery::Begun;
  if (said->second == "SUCCESSFUL_RECOVERY") return ErrorRecovery::Succeeded;
  if (said->second == "FAILED_RECOVERY") return ErrorRecovery::Failed;
  return std::nullopt;
}

// That a recovery failed is said of the port above: what is below it stays cut off. Source: pcie_do_recovery() in
// drivers/pci/pcie/err.c.
bool concerns(const sysfs::Inventory& inventory, const sysfs::PciAddress& claimed, const sysfs::PciAddress& said,
              std::optional<ErrorRecovery> recovery) {
  if (recovery != ErrorRecovery::Failed) return claimed == said;
  const auto* device = inventory.find(claimed);
  if (device == nullptr) return claimed == said;
  const auto path = sysfs::addresses_in(device->sysfs_path);
  return std::ranges::find(path, said) != path.end();
}

bool note(Claim& claim, const sysfs::Inventory& inventory, const sysfs::PciAddress& said,
          std::optional<ErrorRecovery> recovery) {
  bool news = false;
  for (auto& claimed : claim.devices) {
    if (claimed.error_recovery == recovery || !concerns(inventory, claimed.address, said, recovery)) continue;
    claimed.error_recovery = recovery;
    news = true;
  }
  return news;
}

}  // namespace

// A device that is added is another one, or the same anew, unless somebody has only asked to hear of it again (`udevadm
// trigger`). Source: kobject_synth_uevent() in lib/kobject_uevent.c.
void note_error_recovery(ClaimTable& claims, const ClaimRecords& records, const sysfs::Inventory& inventory,
                         const sysfs::UeventBatch& batch) {
  for (const auto& event : batch.events) {
    const auto recovery = recovery_in(event);
    const auto addresses = sysfs::addresses_in(event.devpath);
    const bool added = event.action == "add" && !event.keys.contains("SYNTH_UUID");
    if (event.subsystem != "pci" || addresses.empty() || (!recovery && !added)) continue;
    for (const auto& id : claims.ids()) {
      auto& claim = claims.at(id);
      if (holds_devices(claim) && note(claim, inventory, addresses.back(), recovery)) records.store(claim);
    }
  }
}

bool is_being_recovered(const Claim& claim, const sysfs::Inventory& inventory) {
  return std::ranges::any_of(claim.devices, [&inventory](const ClaimedDevice& claimed) {
    return claimed.error_recovery == ErrorRecovery::Begun && inventory.find(claimed.address) != nullptr;
  });
}

}  // namespace devbindd::handoff
