#include <nlohmann/json.hpp>

#include "api/active_probe.hpp"
#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/render_regions.hpp"
#include "api/text_table.hpp"
#include "sysfs/paths.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

enum class Part { Regions, Irqs };

struct Question {
  sysfs::PciAddress address;
  bool probe = false;
  std::string way = "auto";
  Part part = Part::Regions;
};

OrResponse<Question> read_question(const Request& request, const std::string& address, Part part) {
  auto parsed = address_parameter(request, address);
  if (!parsed) return std::unexpected(parsed.error());
  Question question{.address = *parsed, .part = part};
  QueryReader query(request.query);
  auto probe = wants_probe(request, query);
  if (!probe) return std::unexpected(probe.error());
  question.probe = *probe;
  auto way = probe_way(request, query);
  if (!way) return std::unexpected(way.error());
  question.way = *way;
  if (auto done = query.finish(); !done) return std::unexpected(to_response(request, done.error()));
  return question;
}

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

// Passive: the resource file is read here, since that never blocks; config space comes from a worker.
void answer_from_sysfs(Context& context, const Request& request, const Question& question, bool virtual_function,
                       Respond respond) {
  auto text = context.engine.services().tree.read(sysfs::paths::attribute(question.address, "resource"));
  if (!text) return respond(problem_of(request, text.error()));
  auto resources = sysfs::parse_resources(*text);
  if (!resources) return respond(problem_of(request, resources.error()));
  context.engine.configs().read(question.address, [request, question, resources = *resources, virtual_function,
                                                   respond](const sysfs::Result<sysfs::ConfigSpace>& config) {
    if (!config) return respond(problem_of(request, config.error()));
    const auto report = vfio::passive_report(resources, *config, virtual_function);
    json document = {{"address", sysfs::to_string(question.address)},
                     {"source", "sysfs"},
                     {"complete", report.unknown_because.empty()},
                     {"missing", report.unknown_because.empty() ? json(nullptr) : json(report.unknown_because)},
                     {"msix", render_msix(report)}};
    if (question.part == Part::Regions) document["regions"] = render_regions(report.regions, "sysfs");
    if (question.part == Part::Irqs) document["irqs"] = render_irqs(report.irqs, "sysfs");
    respond(part_response(request, question.part, document));
  });
}

void answer_from_vfio(Context& context, const Request& request, const Question& question, const sysfs::Device& device,
                      Respond respond) {
  if (auto refusal = probe_refusal(context, request, device)) return respond(std::move(*refusal));
  auto query = probe_query(context, device, question.way);
  if (!query) return respond(problem_of(request, query.error()));
  probe_device(context, request, device, *query, handoff::TaskKind::ProbeVfio,
               [request, question, query = *query, respond](const OrResponse<vfio::ProbeReport>& report) {
                 if (!report) return respond(report.error());
                 json document = {{"address", query.address},
                                  {"source", "vfio"},
                                  {"complete", true},
                                  {"missing", nullptr},
                                  {"way", query.way == vfio::ProbeWay::Cdev ? "cdev" : "group"},
                                  {"node", query.node},
                                  {"note", "the device was opened, and so reset, for this answer"},
                                  {"probe", render_probe(*report)}};
                 if (question.part == Part::Regions) document["regions"] = render_regions(report->regions, "vfio");
                 if (question.part == Part::Irqs) document["irqs"] = render_irqs(report->irqs, "vfio");
                 respond(part_response(request, question.part, document));
               });
}

void answer(Context& context, const Request& request, const PathArguments& arguments, Part part, Respond respond) {
  auto question = read_question(request, arguments[0], part);
  if (!question) return respond(std::move(question.error()));
  auto device = context.engine.find_device(question->address);
  if (!device) return respond(problem_of(request, device.error()));
  if (question->probe) return answer_from_vfio(context, request, *question, *device, std::move(respond));
  answer_from_sysfs(context, request, *question, device->physfn.has_value(), std::move(respond));
}

}  // namespace

void get_regions(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Regions, std::move(respond));
}

void get_irqs(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Irqs, std::move(respond));
}

}  // namespace devbindd::api
