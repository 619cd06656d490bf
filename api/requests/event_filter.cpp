// SPDX-License-Identifier: Apache-2.0
#include "api/requests/event_filter.hpp"

#include <algorithm>

#include "api/http/parameters.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

constexpr std::size_t longest_id = 64;

void read_kinds(QueryReader& query, EventFilter& filter) {
  const auto& known = handoff::event_kind_names();
  for (auto& kind : query.all("kind")) {
    if (std::ranges::find(known, std::string_view(kind)) == known.end()) {
      std::string list;
      for (const auto name : known) list += (list.empty() ? "" : ", ") + std::string(name);
      query.wrong("kind", "the kinds of events are " + list);
    }
    filter.kinds.push_back(std::move(kind));
  }
}

std::vector<std::string> read_ids(QueryReader& query, const std::string& name) {
  auto ids = query.all(name);
  for (const auto& id : ids) {
    if (!is_uuid(id)) query.wrong(name, "it is named by its id, a UUID");
  }
  return ids;
}

}  // namespace

EventFilter read_event_filter(QueryReader& query) {
  EventFilter filter;
  for (const auto& text : query.all("device")) {
    const auto address = sysfs::parse_pci_address(text);
    if (address) filter.devices.push_back(*address);
    if (!address) query.wrong("device", address.error().message);
  }
  for (const auto& text : query.all("iommu_group")) {
    const auto number = sysfs::number_from<unsigned>(text);
    if (number) filter.iommu_groups.push_back(*number);
    if (!number) query.wrong("iommu_group", "an IOMMU group is named by its number");
  }
  read_kinds(query, filter);
  filter.claims = read_ids(query, "claim");
  filter.operations = read_ids(query, "operation");
  return filter;
}

std::string read_since(QueryReader& query) {
  auto since = query.one("since").value_or("");
  if (since.size() > longest_id) query.wrong("since", "the id of an event has at most 64 characters");
  return since;
}

}  // namespace devbindd::api
