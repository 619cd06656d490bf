// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "api/render/render_regions.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

enum class Part { Regions, Irqs };

std::string names_in(const json& list) { return list.empty() ? "-" : plain(list); }

std::string mappable_text(const json& region) {
  std::string text;
  for (const auto& area : region["mappable"]["areas"])
    text += (text.empty() ? "" : ", ") + plain(area["offset"]) + "+" + plain(area["size"]);
  return text;
}

const std::vector<Column>& region_columns() {
  static const std::vector<Column> list = {
      {"INDEX", [](const json& region) { return plain(region["index"]); }},
      {"NAME", [](const json& region) { return plain(region["name"]); }},
      {"SIZE", [](const json& region) { return region["present"] ? plain(region["size"]) : std::string("absent"); }},
      {"OFFSET", [](const json& region) { return plain(region["offset"]); }},
      {"FLAGS", [](const json& region) { return names_in(region["flags"]); }},
      {"MAPPABLE", mappable_text},
      {"CAPABILITIES", [](const json& region) {
         std::string text;
         for (const auto& capability : region["capabilities"])
           text += (text.empty() ? "" : ", ") + plain(capability["name"]);
         return text;
       }}};
  return list;
}

const std::vector<Column>& irq_columns() {
  static const std::vector<Column> list = {
      {"INDEX", [](const json& irq) { return plain(irq["index"]); }},
      {"NAME", [](const json& irq) { return plain(irq["name"]); }},
      {"COUNT", [](const json& irq) { return irq["present"] ? plain(irq["count"]) : std::string("absent"); }},
      {"FLAGS", [](const json& irq) { return names_in(irq["flags"]); }}};
  return list;
}

Response part_response(const Request& request, Part part, const json& document) {
  if (!wants_text(request)) return json_response(document);
  const bool regions = part == Part::Regions;
  auto text = text_table(regions ? region_columns() : irq_columns(), document[regions ? "regions" : "irqs"]);
  text += "source: " + plain(document["source"]);
  if (!document["missing"].is_null()) text += "; " + plain(document["missing"]);
  return text_response(text + "\n");
}

// The resource file is read here, since that never blocks; config space comes from a worker. No device is opened.
void answer(Context& context, const Request& request, const PathArguments& arguments, Part part, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  auto device = context.engine.find_device(*address);
  if (!device) return respond(problem_of(request, device.error()));
  auto text = context.engine.services().tree.read(sysfs::paths::attribute(*address, "resource"));
  if (!text) return respond(problem_of(request, text.error()));
  auto resources = sysfs::parse_resources(*text);
  if (!resources) return respond(problem_of(request, resources.error()));
  context.engine.readers().configs().read(
      *address, asker_of(request.requester),
      [request, address = *address, part, resources = *resources, virtual_function = device->physfn.has_value(),
       respond](const sysfs::Result<sysfs::ConfigSpace>& config) {
        if (!config) return respond(problem_of(request, config.error()));
        const auto report = vfio::passive_report(resources, *config, virtual_function);
        json document = {{"address", sysfs::to_string(address)},
                         {"source", "sysfs"},
                         {"complete", report.unknown_because.empty()},
                         {"missing", report.unknown_because.empty() ? json(nullptr) : json(report.unknown_because)},
                         {"msix", render_msix(report)}};
        if (part == Part::Regions) document["regions"] = render_regions(report.regions, "sysfs");
        if (part == Part::Irqs) document["irqs"] = render_irqs(report.irqs, "sysfs");
        respond(part_response(request, part, document));
      });
}

}  // namespace

void get_regions(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Regions, std::move(respond));
}

void get_irqs(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Irqs, std::move(respond));
}

}  // namespace devbindd::api
