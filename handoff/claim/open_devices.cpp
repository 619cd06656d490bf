// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/open_devices.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "handoff/worker/task.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

sysfs::Result<OpenDevices> open_of(const sysfs::Tree& tree, const std::vector<sysfs::Device>& devices,
                                   const std::vector<HoldersAnswer>& answers) {
  OpenDevices found;
  for (std::size_t at = 0; at < devices.size(); ++at) {
    const auto& holders = answers[at];
    if (!holders && holders.error().code != ErrorCode::Overdue) return std::unexpected(holders.error());
    if (sysfs::is_open(tree, devices[at]) || (holders && !holders->empty())) found.open.insert(devices[at].address);
    for (const auto& holder : holders ? *holders : std::vector<vfio::Holder>{}) {
      if (std::ranges::find(found.holders, holder) == found.holders.end()) found.holders.push_back(holder);
    }
  }
  return found;
}

// The nodes of the groups that stay on VFIO with all their devices.
std::set<std::string> groups_that_stay(const Engine::Services& services, const Claim& claim,
                                       const std::set<sysfs::PciAddress>& leaving) {
  std::set<std::string> staying;
  std::set<std::string> gone;
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    const auto nodes = device != nullptr ? vfio::nodes_of(services.tree, *device) : sysfs::Result<vfio::DeviceNodes>();
    if (!nodes || !nodes->group || !is_as_claimed(claimed, device)) continue;
    (leaving.contains(claimed.address) ? gone : staying).insert(nodes->group->path);
  }
  for (const auto& group : gone) staying.erase(group);
  return staying;
}

}  // namespace

void find_open_devices(Engine& engine, const Claim& claim, const Asker& asker,
                       std::function<void(sysfs::Result<OpenDevices>)> done) {
  const auto known = engine.current();
  if (!known) return done(std::unexpected(known.error()));
  std::vector<sysfs::Device> devices;
  for (const auto& claimed : claim.devices) {
    const auto* device = (*known)->find(claimed.address);
    if (device != nullptr && sysfs::is_vfio_bound(*device)) devices.push_back(*device);
  }
  engine.readers().find_holders(
      devices, asker,
      [&tree = engine.services().tree, devices, done = std::move(done)](const std::vector<HoldersAnswer>& answers) {
        done(open_of(tree, devices, answers));
      });
}

void find_hidden_users(Engine& engine, const Claim& claim, const std::set<sysfs::PciAddress>& leaving,
                       std::function<void(bool)> done) {
  const auto& services = engine.services();
  const auto staying = groups_that_stay(services, claim, leaving);
  if (staying.empty()) return done(false);
  const auto looked = [done = std::move(done)](const ResultOf<OpenNodes>& result) {
    done(!result && result.error().errno_value == EBUSY);
  };
  ask(services.run_task, OpenNodes{{staying.begin(), staying.end()}}, {}, "opening the nodes takes too long", looked);
}

}  // namespace devbindd::handoff
