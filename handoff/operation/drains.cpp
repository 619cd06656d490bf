// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/drains.hpp"

#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"
#include "handoff/journal/operation_document.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;

json to_json(const Drain& drain) {
  return {{"vendor", drain.vendor},
          {"device", drain.device},
          {"reason", drain.reason},
          {"since", rfc3339(drain.since)},
          {"requested_by", handoff::to_json(drain.requester)}};
}

// A document that this version does not understand is no drain.
std::optional<Drain> drain_from(const json& document) {
  const auto is_id = [&document](const char* key) {
    return document.contains(key) && document[key].is_number_unsigned() && document[key].get<std::uint64_t>() <= 0xffff;
  };
  const auto is_text = [&document](const char* key) { return document.contains(key) && document[key].is_string(); };
  if (!document.is_object() || !is_id("vendor") || !is_id("device") || !is_text("reason") || !is_text("since"))
    return std::nullopt;
  const auto since = time_from(document["since"].get<std::string>());
  if (!since) return std::nullopt;
  Drain drain{.vendor = document["vendor"].get<std::uint16_t>(),
              .device = document["device"].get<std::uint16_t>(),
              .reason = document["reason"].get<std::string>(),
              .since = *since};
  if (document.contains("requested_by")) drain.requester = requester_from(document["requested_by"]);
  return drain;
}

}  // namespace

Drains::Drains(Journal& journal, const std::function<void(DamagedRow)>& set_aside) : journal_(journal) {
  for (const auto& row : journal.remembered().drains) {
    const auto address = sysfs::parse_pci_address(row.address);
    auto drain = drain_from(json::parse(row.document, nullptr, false));
    if (address && drain) drains_.emplace(*address, std::move(*drain));
    if (!address || !drain)
      set_aside({.table = "drains", .key = row.address, .reason = "it is no document of a drain"});
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
  journal_.store(DrainRow{sysfs::to_string(device.address), dump(to_json(drain))},
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

const Drain* Drains::find(const sysfs::Device& device) const {
  const auto found = drains_.find(device.address);
  if (found == drains_.end()) return nullptr;
  const auto& drain = found->second;
  return drain.vendor == device.vendor && drain.device == device.device ? &drain : nullptr;
}

}  // namespace devbindd::handoff
