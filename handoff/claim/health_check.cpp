// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/health_check.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include "handoff/claim/device_health.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr unsigned most_late_reads = 60;  // of a claim's devices, about one in a second

}  // namespace

struct HealthCheck::Search {
  std::size_t waiting = 1;
  std::string late = {};
};

void HealthCheck::run(const std::string& id, std::function<void()> checked) {
  const auto search = std::make_shared<Search>();
  const auto arrived = [this, id, search, checked = std::move(checked)] {
    if (--search->waiting > 0) return;
    if (search->late.empty() || !engine_.services().after) return checked();
    claims_.at(id).reason = search->late;
    claims_.answer_releasers(id);
    engine_.services().after(look_again, [this, id, checked] { run(id, checked); });
  };
  for (const auto& claimed : claims_.at(id).devices) {
    const auto* device = engine_.services().inventory.find(claimed.address);
    if (device == nullptr || is_another(claimed, *device) || claims_.run_of(id).faults.contains(claimed.address))
      continue;
    ++search->waiting;
    engine_.readers().configs().read(claimed.address, {},
                                     [this, id, search, arrived, claimed](const ConfigReader::Answer& config) {
                                       note(id, claimed, config, *search);
                                       arrived();
                                     });
  }
  arrived();
}

void HealthCheck::note(const std::string& id, const ClaimedDevice& claimed, const ConfigReader::Answer& config,
                       Search& search) {
  auto& run = claims_.run_of(id);
  const bool unread =
      !config && (config.error().code == ErrorCode::Overdue || config.error().code == ErrorCode::TooBusy);
  if (unread && ++run.late_reads <= most_late_reads) {
    search.late = config.error().message;
    return;
  }
  auto fault = fault_in(claimed, config);
  if (!fault.empty()) run.faults.emplace(claimed.address, std::move(fault));
}

// A device that has been pulled meanwhile has no fault.
std::string HealthCheck::fault_in(const ClaimedDevice& claimed, const ConfigReader::Answer& config) const {
  const auto* device = engine_.services().inventory.find(claimed.address);
  if (device == nullptr || (!config && config.error().code == ErrorCode::DeviceNotFound)) return {};
  if (!config) return config.error().message;
  const auto text = engine_.services().tree.read(sysfs::paths::attribute(claimed.address, "resource"));
  if (!text) return text.error().errno_value == ENOENT ? std::string{} : text.error().message;
  const auto resources = sysfs::parse_resources(*text);
  return resources ? fault_of(claimed, *device, *config, *resources) : resources.error().message;
}

}  // namespace devbindd::handoff
