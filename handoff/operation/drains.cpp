// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/drains.hpp"

#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {
Drains::Drains(Journal& journal, DamagedRows& damaged) : journal_(journal) {
  for (const auto& row : journal.remembered().drains) {
    const auto address = sysfs::parse_pci_address(row.address);
    auto drain = drain_of(row);
    if (address && drain) drains_.emplace(*address, std::move(*drain));
    if (!address || !drain)
      damaged.set_aside({.table = "drains", .key = row.address, .reason = "it is no document of a drain"});
  }
}

void Drains::set(const sysfs::Device& device, std::string reason, Requester requester, Done done) {
  const auto earlier = drains_.find(device.address) != drains_.end() ? std::optional(drains_.at(device.address))
                                                                     : std::optional<Drain>{};
  const Drain drain{.vendor = device.vendor,
                    .device = device.device,
                    .reason = std::move(reason),
                    .since = std::chrono::system_clock::now(),
                    .requester = std::move(requester)};
  drains_.insert_or_assign(device.address, drain);
  journal_.store(row_of(device.address, drain),
                 [this, address = device.address, earlier, done = std::move(done)](const sysfs::Result<>& stored) {
                   if (!stored && earlier) drains_.insert_or_assign(address, *earlier);
                   if (!stored && !earlier) drains_.erase(address);
                   done(stored);
                 });
}

void Drains::clear(const sysfs::PciAddress& address, Done done) {
  auto earlier = std::make_shared<decltype(drains_)::node_type>(drains_.extract(address));
  journal_.drop_drain(sysfs::to_string(address),
                      [this, earlier, done = std::move(done)](const sysfs::Result<>& stored) {
                        if (!stored && !earlier->empty()) drains_.insert(std::move(*earlier));
                        done(stored);
                      });
}

void Drains::forget(const sysfs::PciAddress& address, Done done) {
  if (contains(address)) clear(address, std::move(done));
}

const Drain* Drains::find(const sysfs::Device& device) const {
  const auto found = drains_.find(device.address);
  if (found == drains_.end()) return nullptr;
  const auto& drain = found->second;
  return drain.vendor == device.vendor && drain.device == device.device ? &drain : nullptr;
}

}  // namespace devbindd::handoff
