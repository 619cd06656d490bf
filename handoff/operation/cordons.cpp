// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/cordons.hpp"

#include "handoff/journal/rows.hpp"

namespace devbindd::handoff {

Cordons::Cordons(const EngineServices& services, DamagedRows& damaged)
    : services_(services), journal_(services.journal) {
  for (const auto& row : journal_.remembered().cordons) {
    const auto address = sysfs::parse_pci_address(row.address);
    auto cordon = cordon_of(row);
    if (address && cordon) cordons_.emplace(*address, std::move(*cordon));
    if (!address || !cordon)
      damaged.set_aside({.table = "cordons", .key = row.address, .reason = "it is no document of a cordon"});
  }
}

void Cordons::set(const sysfs::Device& device, std::string reason, Requester requester, Done done) {
  const auto earlier = cordons_.find(device.address) != cordons_.end() ? std::optional(cordons_.at(device.address))
                                                                       : std::optional<Cordon>{};
  const Cordon cordon{.vendor = device.vendor,
                      .device = device.device,
                      .reason = std::move(reason),
                      .since = std::chrono::system_clock::now(),
                      .requester = std::move(requester)};
  cordons_.insert_or_assign(device.address, cordon);
  tell(device.address, "set");
  journal_.store(row_of(device.address, cordon),
                 [this, address = device.address, earlier, done = std::move(done)](const sysfs::Result<>& stored) {
                   if (!stored && earlier) cordons_.insert_or_assign(address, *earlier);
                   if (!stored && !earlier) cordons_.erase(address);
                   if (!stored) tell(address, earlier ? "set" : "cleared");
                   done(stored);
                 });
}

void Cordons::clear(const sysfs::PciAddress& address, Done done) {
  auto earlier = std::make_shared<decltype(cordons_)::node_type>(cordons_.extract(address));
  if (!earlier->empty()) tell(address, "cleared");
  journal_.drop_cordon(sysfs::to_string(address),
                       [this, address, earlier, done = std::move(done)](const sysfs::Result<>& stored) {
                         if (!stored && !earlier->empty()) {
                           cordons_.insert(std::move(*earlier));
                           tell(address, "set");
                         }
                         done(stored);
                       });
}

void Cordons::tell(const sysfs::PciAddress& address, std::string_view state) {
  ++generation_;
  tell_of(services_, {.kind = EventKind::CordonChanged, .devices = {address}, .state = std::string(state)});
}

void Cordons::forget(const sysfs::PciAddress& address, Done done) {
  if (contains(address)) clear(address, std::move(done));
}

const Cordon* Cordons::find(const sysfs::Device& device) const {
  const auto found = cordons_.find(device.address);
  if (found == cordons_.end()) return nullptr;
  const auto& cordon = found->second;
  return cordon.vendor == device.vendor && cordon.device == device.device ? &cordon : nullptr;
}

}  // namespace devbindd::handoff
