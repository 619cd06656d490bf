// SPDX-License-Identifier: Apache-2.0
// What becomes of the devices themselves: the kernel's recovery from errors while a claim has them; at its end their
// reset, and whether they are any use to whoever comes next.
#include <algorithm>
#include <cerrno>

#include "handoff/claim/claims_parts.hpp"
#include "handoff/claim/device_health.hpp"
#include "handoff/plan/verdict.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr unsigned most_late_reads = 60;  // of a claim's devices, about one in a second

std::optional<ErrorRecovery> recovery_in(const sysfs::Uevent& event) {
  const auto said = event.keys.find("ERROR_EVENT");
  if (said == event.keys.end()) return std::nullopt;
  if (said->second == "BEGIN_RECOVERY") return ErrorRecovery::Begun;
  if (said->second == "SUCCESSFUL_RECOVERY") return ErrorRecovery::Succeeded;
  if (said->second == "FAILED_RECOVERY") return ErrorRecovery::Failed;
  return std::nullopt;
}

}  // namespace

// That a recovery failed is said of the port above: what is below it stays cut off. Source: pcie_do_recovery() in
// drivers/pci/pcie/err.c. A device that is added is another one, or the same anew, unless somebody has only asked to
// hear of it again (`udevadm trigger`). Source: kobject_synth_uevent() in lib/kobject_uevent.c.
void Claims::take(const sysfs::UeventBatch& batch) {
  for (const auto& event : batch.events) {
    const auto recovery = recovery_in(event);
    const auto addresses = sysfs::addresses_in(event.devpath);
    const bool added = event.action == "add" && !event.keys.contains("SYNTH_UUID");
    if (event.subsystem != "pci" || addresses.empty() || (!recovery && !added)) continue;
    for (auto& [id, claim] : claims_) {
      if (!holds_devices(claim)) continue;
      bool news = false;
      for (auto& claimed : claim.devices) {
        if (claimed.error_recovery == recovery || !concerns(claimed.address, addresses.back(), recovery)) continue;
        claimed.error_recovery = recovery;
        news = true;
      }
      if (news) store(claim);
    }
  }
}

bool Claims::concerns(const sysfs::PciAddress& claimed, const sysfs::PciAddress& said,
                      std::optional<ErrorRecovery> recovery) const {
  if (recovery != ErrorRecovery::Failed) return claimed == said;
  const auto* device = engine_.services().inventory.find(claimed);
  if (device == nullptr) return claimed == said;
  const auto path = sysfs::addresses_in(device->sysfs_path);
  return std::ranges::find(path, said) != path.end();
}

bool Claims::is_being_recovered(const Claim& claim) const {
  return std::ranges::any_of(claim.devices, [this](const ClaimedDevice& claimed) {
    return claimed.error_recovery == ErrorRecovery::Begun &&
           engine_.services().inventory.find(claimed.address) != nullptr;
  });
}

// --- at its end

// The file is there since the device was found, when one of the methods for its kind works; somebody may have taken
// them away since (kernel 5.15). Neither waits for the device. Source: pci-sysfs.c, pci_dev_reset_attr_is_visible();
// pci.c, reset_method_show().
bool Claims::has_reset(const sysfs::PciAddress& address) const {
  const auto& tree = engine_.services().tree;
  if (!sysfs::exists(tree, sysfs::paths::attribute(address, "reset"))) return false;
  const auto methods = tree.read(sysfs::paths::attribute(address, "reset_method"));
  return !methods || !sysfs::words_of(*methods).empty();
}

// One that somebody has given to another driver is his. A physical function's reset would take the settings of its VFs,
// which others may use.
std::optional<sysfs::Step> Claims::reset_of(const Claim& claim, const ClaimedDevice& claimed) const {
  const auto* device = engine_.services().inventory.find(claimed.address);
  const bool there =
      device != nullptr && !is_another(claimed, *device) && (!device->driver || sysfs::is_vfio_bound(*device));
  const bool given_up = claimed.error_recovery == ErrorRecovery::Failed;
  const bool required = claim.request.reset == ReleaseReset::Required;
  const bool tried = claimed.reset == ResetOutcome::Done || (claimed.reset == ResetOutcome::Unavailable && !required);
  if (claim.request.reset == ReleaseReset::None || !there || given_up || tried || !device->virtfns.empty())
    return std::nullopt;
  return sysfs::Step{sysfs::StepKind::Reset, claimed.address, {}};
}

// Looked at again right before its reset: those of the devices before it may have taken long.
bool Claims::is_to_wait(const std::string& id, const sysfs::PciAddress& address) {
  const auto known = engine_.current();
  const auto* device = known ? engine_.services().inventory.find(address) : nullptr;
  const bool opened = device != nullptr && sysfs::is_open(engine_.services().tree, *device);
  if (known && !opened) return false;
  try_again(id, known ? std::string{} : "its devices cannot be read: " + known.error().message);
  return true;
}

// One after the other: functions of a card share locks of the kernel, and may share what is reset. `done` comes when
// the kernel is done with all of them: whoever waits for the claim's end is told when it takes long. What is still open
// after its grace is not reset under whoever has it.
void Claims::reset_devices(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open,
                           const std::function<void()>& done) {
  auto& claim = claims_.at(id);
  std::optional<sysfs::Step> step;
  for (; at < claim.devices.size(); ++at) {
    const auto& address = claim.devices[at].address;
    if (open.contains(address) || !reset_of(claim, claim.devices[at])) continue;
    if (is_to_wait(id, address)) return;
    step = reset_of(claim, claim.devices[at]);
    if (step && has_reset(*step->address)) break;
    if (step) note_reset(id, claim.devices[at], sysfs::fail(ErrorCode::Kernel, "it has no method", ENOTTY));
  }
  if (at == claim.devices.size()) return done();
  const auto name = sysfs::to_string(*step->address);
  engine_.services().run_task(task_for(*step), {.on_overdue =
                                                    [this, id, name](int) {
                                                      claims_.at(id).reason = "the kernel is still resetting " + name;
                                                      told(id);
                                                    },
                                                .on_result =
                                                    [this, id, at, open, done](const TaskResult& result) {
                                                      auto& resetting = claims_.at(id);
                                                      if (!result && result.error().code == ErrorCode::TooBusy)
                                                        return try_again(id, result.error().message);
                                                      if (!resetting.cause.empty()) resetting.reason = resetting.cause;
                                                      note_reset(id, resetting.devices[at], result);
                                                      reset_devices(id, at + 1, open, done);
                                                    }});
}

// A device that has been pulled meanwhile was not reset, and has no fault.
void Claims::note_reset(const std::string& id, ClaimedDevice& claimed, const TaskResult& result) {
  const auto error = result ? 0 : result.error().errno_value;
  if (error == ENODEV || (error == ENOENT && !engine_.find_device(claimed.address))) return;
  const bool unavailable = error == ENOENT || error == ENOTTY;
  claimed.reset = result ? ResetOutcome::Done : unavailable ? ResetOutcome::Unavailable : ResetOutcome::Failed;
  const bool required = claims_.at(id).request.reset == ReleaseReset::Required;
  if (claimed.reset == ResetOutcome::Done || (unavailable && !required)) return;
  const auto meaning = sysfs::meaning_of({sysfs::StepKind::Reset, claimed.address, {}}, error);
  runs_[id].faults.emplace(claimed.address, sysfs::to_string(claimed.address) + " could not be reset (" +
                                                result.error().message + "): " + meaning.meaning + " " +
                                                meaning.next_step);
}

std::optional<Evidence> Claims::without_reset(const ClaimRequest& request,
                                              const std::vector<sysfs::Device>& group) const {
  if (request.reset != ReleaseReset::Required) return std::nullopt;
  const auto found =
      std::ranges::find_if(group, [this](const sysfs::Device& member) { return !has_reset(member.address); });
  return found == group.end() ? std::nullopt : std::optional(no_reset_evidence(found->address));
}

// Looked at when nobody has them open any longer, and so after the reset of the last close; and once more when they are
// on their drivers. A read that is late says nothing of the device, on a busy host: it is looked at again for a while.
void Claims::check_health(const std::string& id, std::function<void()> checked) {
  struct Search {
    std::size_t waiting = 1;
    std::string late;
  };
  const auto search = std::make_shared<Search>();
  const auto arrived = [this, id, search, checked = std::move(checked)] {
    if (--search->waiting > 0) return;
    if (search->late.empty() || !engine_.services().after) return checked();
    claims_.at(id).reason = search->late;
    told(id);
    engine_.services().after(look_again, [this, id, checked] { check_health(id, checked); });
  };
  for (const auto& claimed : claims_.at(id).devices) {
    const auto* device = engine_.services().inventory.find(claimed.address);
    if (device == nullptr || is_another(claimed, *device) || runs_[id].faults.contains(claimed.address)) continue;
    ++search->waiting;
    engine_.configs().read(
        claimed.address, {}, [this, id, search, arrived, claimed](const ConfigReader::Answer& config) {
          const bool unread =
              !config && (config.error().code == ErrorCode::Overdue || config.error().code == ErrorCode::TooBusy);
          if (unread && ++runs_[id].late_reads <= most_late_reads) {
            search->late = config.error().message;
            return arrived();
          }
          auto fault = fault_in(claimed, config);
          if (!fault.empty()) runs_[id].faults.emplace(claimed.address, std::move(fault));
          arrived();
        });
  }
  arrived();
}

// A device that has been pulled meanwhile has no fault.
std::string Claims::fault_in(const ClaimedDevice& claimed, const ConfigReader::Answer& config) const {
  const auto* device = engine_.services().inventory.find(claimed.address);
  if (device == nullptr || (!config && config.error().code == ErrorCode::DeviceNotFound)) return {};
  if (!config) return config.error().message;
  const auto text = engine_.services().tree.read(sysfs::paths::attribute(claimed.address, "resource"));
  if (!text) return text.error().errno_value == ENOENT ? std::string{} : text.error().message;
  const auto resources = sysfs::parse_resources(*text);
  return resources ? fault_of(claimed, *device, *config, *resources) : resources.error().message;
}

std::string Claims::faults_of(const std::string& id) const {
  std::string text;
  const auto found = runs_.find(id);
  if (found == runs_.end()) return text;
  for (const auto& [address, fault] : found->second.faults) text += (text.empty() ? "" : "; ") + fault;
  return text;
}

}  // namespace devbindd::handoff
