// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_event.hpp"

#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

json value_of(const handoff::FactValue& value) {
  return std::visit(
      [](const auto& held) -> json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
          return nullptr;
        } else {
          return held;
        }
      },
      value);
}

json link(const char* collection, const std::string& id) { return id.empty() ? json(nullptr) : json(collection + id); }

json progress_of(const handoff::HostEvent& event) {
  if (!event.steps) return nullptr;
  return {{"steps_done", *event.steps_done}, {"steps", *event.steps}};
}

}  // namespace

std::string render_event(const handoff::HostEvent& event, const std::string& id) {
  json devices = json::array();
  for (const auto& address : event.devices) devices.push_back(sysfs::to_string(address));
  json changes = json::object();
  for (const auto& change : event.changes)
    changes[change.fact] = {{"from", value_of(change.from)}, {"to", value_of(change.to)}};
  return handoff::dump({{"id", id},
                        {"kind", handoff::name_of(event.kind)},
                        {"at", handoff::rfc3339(event.at)},
                        {"devices", std::move(devices)},
                        {"iommu_groups", event.iommu_groups},
                        {"changes", std::move(changes)},
                        {"operation", link("/v1/operations/", event.operation)},
                        {"claim", link("/v1/claims/", event.claim)},
                        {"state", event.state.empty() ? json(nullptr) : json(event.state)},
                        {"progress", progress_of(event)},
                        {"sources", event.sources}});
}

}  // namespace devbindd::api
