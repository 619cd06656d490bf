// SPDX-License-Identifier: Apache-2.0
// The probes: what VFIO itself says, for which an idle device is opened, and so reset. They are POSTs: a read changes
// nothing.
#include <nlohmann/json.hpp>

#include "api/handlers/active_probe.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render.hpp"
#include "api/render/render_regions.hpp"
#include "vfio/container.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t most_candidates = 16;  // devices that are tried for a probe of the IOMMU

// {"way": "auto" | "group" | "cdev"}, and nothing in the query.
std::string read_way(const Request& request, Mistakes& mistakes) {
  QueryReader(request.query, mistakes).finish();
  auto way = only_text(request, "way", mistakes).value_or("auto");
  if (way != "auto" && way != "group" && way != "cdev")
    mistakes.add("invalid_value", "/way", "\"way\" must be auto, group or cdev");
  return way;
}

std::string_view name_of(vfio::ProbeWay way) { return way == vfio::ProbeWay::Cdev ? "cdev" : "group"; }

json render_device_probe(const vfio::ProbeQuery& query, const vfio::ProbeReport& report) {
  return {{"address", query.address},
          {"source", "vfio"},
          {"way", name_of(query.way)},
          {"node", query.node},
          {"note", "the device was opened, and so reset, for this answer"},
          {"probe", render_probe(report)},
          {"regions", render_regions(report.regions, "vfio")},
          {"irqs", render_irqs(report.irqs, "vfio")}};
}

// The devices through which the IOMMU can be asked without disturbing anybody, as far as sysfs tells.
using Candidates = std::vector<std::pair<sysfs::Device, vfio::ProbeQuery>>;
Candidates idle_devices(Context& context, const Request& request, const sysfs::Inventory& inventory,
                        const std::string& way) {
  Candidates found;
  for (const auto& [address, device] : inventory.devices()) {
    if (found.size() == most_candidates) break;
    if (probe_refusal(context, request, device)) continue;
    if (auto query = probe_query(context, device, way)) found.emplace_back(device, *query);
  }
  return found;
}

json render_iommu_probe(const vfio::ProbeQuery& query, const vfio::ProbeReport& report) {
  json document = render_iommu(report.iommu.value_or(vfio::IommuInfo{}));
  document["way"] = name_of(query.way);
  document["node"] = query.node;
  document["device"] = query.address;
  document["extensions"] = json::array();
  for (const auto& [number, answer] : report.extensions) {
    document["extensions"].push_back(
        {{"number", number}, {"name", vfio::extension_name(number)}, {"present", answer > 0}});
  }
  return document;
}

// Asks one device after the other until one answers: any of them may have been opened meanwhile.
void ask_iommu(Context& context, const Request& request, const std::shared_ptr<const Candidates>& candidates,
               std::size_t at, const std::string& error, const Respond& respond) {
  if (at >= candidates->size()) return respond(json_response({{"iommu", nullptr}, {"iommu_error", error}}));
  const auto& [device, query] = candidates->at(at);
  probe_device(context, request, device, {query, handoff::ProbeScope::Iommu},
               [&context, request, candidates, at, respond](const OrResponse<vfio::ProbeReport>& report) {
                 if (!report) {
                   const auto why = json::parse(report.error().body)["detail"].get<std::string>();
                   return ask_iommu(context, request, candidates, at + 1, why, respond);
                 }
                 respond(json_response(
                     {{"iommu", render_iommu_probe(candidates->at(at).second, *report)}, {"iommu_error", nullptr}}));
               });
}

}  // namespace

void post_device_probe(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  const auto way = read_way(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto device = context.engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  if (auto refusal = probe_refusal(context, request, *device)) return respond(std::move(*refusal));
  auto query = probe_query(context, *device, way);
  if (!query) return respond(problem_of(request, query.error()));
  probe_device(context, request, *device, {*query, handoff::ProbeScope::Device},
               [query = *query, respond](const OrResponse<vfio::ProbeReport>& report) {
                 respond(report ? json_response(render_device_probe(query, *report)) : report.error());
               });
}

void post_vfio_probe(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  const auto way = read_way(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  ask_iommu(context, request, std::make_shared<const Candidates>(idle_devices(context, request, **inventory, way)), 0,
            "no device that is bound to a VFIO driver is idle with its whole group viable", respond);
}

}  // namespace devbindd::api
