// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/device_reset.hpp"

#include <algorithm>
#include <cerrno>

#include "handoff/plan/device_reasons.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {

bool has_reset(const sysfs::Tree& tree, const sysfs::PciAddress& address) {
  if (!sysfs::exists(tree, sysfs::paths::attribute(address, "reset"))) return false;
  const auto methods = tree.read(sysfs::paths::attribute(address, "reset_method"));
  return !methods || !sysfs::words_of(*methods).empty();
}

std::optional<Evidence> without_reset(const sysfs::Tree& tree, const ClaimRequest& request,
                                      const std::vector<sysfs::Device>& group) {
  if (request.reset != ReleaseReset::Required) return std::nullopt;
  const auto found =
      std::ranges::find_if(group, [&tree](const sysfs::Device& member) { return !has_reset(tree, member.address); });
  return found == group.end() ? std::nullopt : std::optional(no_reset_evidence(found->address));
}

// One that somebody has given to another driver is his. A physical function's reset would take the settings of its VFs,
// which others may use.
std::optional<sysfs::Step> reset_of(const sysfs::Inventory& inventory, const Claim& claim,
                                    const ClaimedDevice& claimed) {
  const auto* device = inventory.find(claimed.address);
  const bool there =
      device != nullptr && !is_another(claimed, *device) && (!device->driver || sysfs::is_vfio_bound(*device));
  const bool given_up = claimed.error_recovery == ErrorRecovery::Failed;
  const bool required = claim.request.reset == ReleaseReset::Required;
  const bool tried = claimed.reset == ResetOutcome::Done || (claimed.reset == ResetOutcome::Unavailable && !required);
  if (claim.request.reset == ReleaseReset::None || !there || given_up || tried || !device->virtfns.empty())
    return std::nullopt;
  return sysfs::Step{sysfs::StepKind::Reset, claimed.address, {}};
}

void DeviceReset::run(const std::string& id, const std::set<sysfs::PciAddress>& open, const Done& done) {
  run_from(id, 0, open, done);
}

// Looked at again right before its reset: those of the devices before it may have taken long.
std::optional<std::string> DeviceReset::must_wait(const sysfs::PciAddress& address) {
  const auto known = engine_.current();
  if (!known) return "its devices cannot be read: " + known.error().message;
  const auto* device = (*known)->find(address);
  const bool opened = device != nullptr && sysfs::is_open(engine_.services().tree, *device);
  return opened ? std::optional(std::string{}) : std::nullopt;
}

// The first device from `at` on that the kernel is asked to reset.
DeviceReset::Next DeviceReset::next(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open) {
  auto& claim = claims_.at(id);
  const auto& services = engine_.services();
  for (; at < claim.devices.size(); ++at) {
    auto& claimed = claim.devices[at];
    if (open.contains(claimed.address) || !reset_of(services.inventory, claim, claimed)) continue;
    if (auto waits = must_wait(claimed.address)) return {at, std::move(waits)};
    if (!reset_of(services.inventory, claim, claimed)) continue;
    if (has_reset(services.tree, claimed.address)) break;
    note(id, claimed, sysfs::fail(sysfs::ErrorCode::Kernel, "it has no method", ENOTTY));
  }
  return {at};
}

// One after the other: functions of a card share locks of the kernel, and may share what is reset.
void DeviceReset::run_from(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open,
                           const Done& done) {
  auto found = next(id, at, open);
  if (found.waits) return done(std::move(found.waits));
  const auto& devices = claims_.at(id).devices;
  if (found.at == devices.size()) return done(std::nullopt);
  reset(devices[found.at].address, id, [this, id, at = found.at, open, done](const ResultOf<PerformStep>& result) {
    if (!result && result.error().code == sysfs::ErrorCode::TooBusy) return done(result.error().message);
    auto& claim = claims_.at(id);
    if (!claim.cause.empty()) claim.reason = claim.cause;
    note(id, claim.devices[at], result);
    run_from(id, at + 1, open, done);
  });
}

void DeviceReset::reset(const sysfs::PciAddress& address, const std::string& id, OnResult<PerformStep> done) {
  TaskCallbacks callbacks;
  callbacks.on_overdue = [this, id, address](int) {
    claims_.at(id).reason = "the kernel is still resetting " + sysfs::to_string(address);
    claims_.answer_releasers(id);
  };
  callbacks.on_result = on_result_of<PerformStep>(std::move(done));
  engine_.services().run_task({PerformStep{{sysfs::StepKind::Reset, address, {}}}}, std::move(callbacks));
}

// A device that has been pulled meanwhile was not reset, and has no fault.
void DeviceReset::note(const std::string& id, ClaimedDevice& claimed, const ResultOf<PerformStep>& result) {
  const auto error = result ? 0 : result.error().errno_value;
  if (error == ENODEV || (error == ENOENT && !engine_.find_device(claimed.address))) return;
  const bool unavailable = error == ENOENT || error == ENOTTY;
  claimed.reset = result ? ResetOutcome::Done : unavailable ? ResetOutcome::Unavailable : ResetOutcome::Failed;
  ++outcomes_[*claimed.reset];
  const bool required = claims_.at(id).request.reset == ReleaseReset::Required;
  if (claimed.reset == ResetOutcome::Done || (unavailable && !required)) return;
  const auto meaning = sysfs::meaning_of({sysfs::StepKind::Reset, claimed.address, {}}, error);
  claims_.run_of(id).faults.emplace(claimed.address, sysfs::to_string(claimed.address) + " could not be reset (" +
                                                         result.error().message + "): " + meaning.meaning + " " +
                                                         meaning.next_step);
}

}  // namespace devbindd::handoff
