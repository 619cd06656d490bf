#include <nlohmann/json.hpp>

#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/render_regions.hpp"
#include "handoff/json.hpp"
#include "sysfs/paths.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;

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
  auto probe = query.one("probe");
  if (!probe) return std::unexpected(to_response(request, probe.error()));
  if (*probe && **probe != "vfio") {
    return std::unexpected(bad_request(request, "invalid_value", "?probe", "'probe' must be vfio"));
  }
  question.probe = probe->has_value();
  auto way = query.one("way");
  if (!way) return std::unexpected(to_response(request, way.error()));
  question.way = way->value_or("auto");
  if (question.way != "auto" && question.way != "group" && question.way != "cdev") {
    return std::unexpected(bad_request(request, "invalid_value", "?way", "'way' must be auto, group or cdev"));
  }
  if (auto done = query.finish(); !done) return std::unexpected(to_response(request, done.error()));
  return question;
}

sysfs::Result<sysfs::Device> device_now(Context& context, const sysfs::PciAddress& address) {
  auto inventory = context.engine.current();
  if (!inventory) return std::unexpected(inventory.error());
  const auto* device = (*inventory)->find(address);
  if (device != nullptr) return *device;
  return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address));
}

// Passive: the resource file is read here, since that never blocks; config space comes from a worker.
void answer_from_sysfs(Context& context, const Request& request, const Question& question, Respond respond) {
  auto text = context.engine.services().tree.read(sysfs::paths::attribute(question.address, "resource"));
  if (!text) return respond(problem_of(request, text.error()));
  auto resources = sysfs::parse_resources(*text);
  if (!resources) return respond(problem_of(request, resources.error()));
  context.engine.configs().read(question.address, [request, question, resources = *resources,
                                                   respond](const sysfs::Result<sysfs::ConfigSpace>& config) {
    if (!config) return respond(problem_of(request, config.error()));
    const auto report = vfio::passive_report(resources, *config);
    json document = {
        {"address", sysfs::to_string(question.address)},
        {"source", "sysfs"},
        {"complete", report.interrupts_known},
        {"missing", report.interrupts_known
                        ? json(nullptr)
                        : json("the capabilities in config space could not be read: that needs CAP_SYS_ADMIN")},
        {"msix", render_msix(report)}};
    if (question.part == Part::Regions) document["regions"] = render_regions(report.regions, "sysfs");
    if (question.part == Part::Irqs) document["irqs"] = render_irqs(report.irqs, "sysfs");
    respond(json_response(document));
  });
}

// Why a device cannot be probed now, before anything is opened.
std::optional<Response> probe_refusal(Context& context, const Request& request, const sysfs::Device& device) {
  const auto name = sysfs::to_string(device.address);
  if (request.access != Access::Change) {
    return problem(request, 403, "forbidden", "an active probe resets the device: this caller may only read");
  }
  if (!sysfs::is_vfio_bound(device)) {
    return problem_of(request, sysfs::Error{ErrorCode::NotVfioBound,
                                            name + " is not bound to a VFIO driver: there is nothing to probe"});
  }
  if (device.enable_count.value_or(0) > 0) {
    return problem_of(request,
                      sysfs::Error{ErrorCode::DeviceOpen, name + " is open: a probe would reset it under its user"});
  }
  if (!device.iommu_group) return std::nullopt;
  const auto blockers =
      sysfs::viability_blockers(context.engine.services().inventory.group_members(*device.iommu_group));
  if (blockers.empty()) return std::nullopt;
  json list = json::array();
  for (const auto& blocker : blockers) {
    list.push_back({{"address", sysfs::to_string(blocker.address)}, {"driver", blocker.driver.text()}});
  }
  return problem(request, 409, "group_not_viable",
                 "IOMMU group " + std::to_string(*device.iommu_group) +
                     " is not viable: " + sysfs::to_string(blockers.front().address) + " is bound to '" +
                     blockers.front().driver.text() + "'",
                 {{"group_blockers", std::move(list)}});
}

sysfs::Result<vfio::ProbeQuery> probe_query(Context& context, const sysfs::Device& device, const std::string& way) {
  auto nodes = vfio::nodes_of(context.engine.services().tree, device);
  if (!nodes) return std::unexpected(nodes.error());
  const bool cdev = way == "cdev" || (way == "auto" && !nodes->group);
  const auto& node = cdev ? nodes->cdev : nodes->group;
  if (!node) {
    return sysfs::fail(ErrorCode::NotVfioBound,
                       std::string("there is no ") + (cdev ? "device node (cdev)" : "group node") + " for " +
                           sysfs::to_string(device.address) + ": this kernel does not have that way into VFIO");
  }
  return vfio::ProbeQuery{.way = cdev ? vfio::ProbeWay::Cdev : vfio::ProbeWay::Group,
                          .address = sysfs::to_string(device.address),
                          .node = node->path,
                          .no_iommu = node->path.contains("noiommu-")};
}

Response probe_answer(const Request& request, const Question& question, const vfio::ProbeQuery& query,
                      const handoff::TaskResult& result) {
  if (!result) {
    auto error = result.error();
    if (error.errno_value == EBUSY) error.code = ErrorCode::DeviceOpen;
    if (error.errno_value == EPERM) error.code = ErrorCode::GroupNotViable;
    return problem_of(request, error);
  }
  auto report = vfio::parse_probe(handoff::answers_from(*result));
  if (!report) return problem_of(request, report.error());
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
  return json_response(document);
}

// The group is kept from every operation until the kernel has let go of the device, however long that takes.
void run_probe(Context& context, const Request& request, const Question& question, const vfio::ProbeQuery& query,
               std::function<void()> release, Respond respond) {
  const auto answered = std::make_shared<bool>(false);
  context.engine.services().run_task(
      handoff::task_for(query),
      {.on_overdue =
           [request, answered, respond](int) {
             *answered = true;
             respond(problem_of(
                 request,
                 sysfs::Error{ErrorCode::Overdue,
                              "the probe has not finished in time: the kernel still resets or opens the device"}));
           },
       .on_result =
           [request, question, query, answered, release = std::move(release),
            respond](const handoff::TaskResult& result) {
             release();
             if (!*answered) respond(probe_answer(request, question, query, result));
           }});
}

void answer_from_vfio(Context& context, const Request& request, const Question& question, const sysfs::Device& device,
                      Respond respond) {
  if (auto refusal = probe_refusal(context, request, device)) return respond(std::move(*refusal));
  auto query = probe_query(context, device, question.way);
  if (!query) return respond(problem_of(request, query.error()));
  auto release = context.engine.reserve(device);
  if (!release) return respond(problem_of(request, release.error()));
  const vfio::HolderQuery holders{
      .address = device.address, .group = device.iommu_group, .vfio_device = device.vfio_device, .device_open = false};
  const auto decided = std::make_shared<bool>(false);
  const auto go_on = [&context, request, question, query = *query, release = *release, respond,
                      decided](const handoff::TaskResult& found) {
    if (std::exchange(*decided, true)) return;
    const auto holding = found ? handoff::holders_from(*found) : std::vector<vfio::Holder>{};
    if (holding.empty()) return run_probe(context, request, question, query, release, respond);
    release();
    json processes = json::array();
    for (const auto& holder : holding) processes.push_back(handoff::to_json(holder));
    respond(problem(
        request, 409, "device_open",
        query.node + " is open by " + holding.front().command + " (pid " + std::to_string(holding.front().pid) + ")",
        {{"processes", std::move(processes)}}));
  };
  context.engine.services().run_task(
      handoff::task_for(holders),
      {.on_overdue = [go_on](int) { go_on(std::vector<std::string>{}); }, .on_result = go_on});
}

void answer(Context& context, const Request& request, const PathArguments& arguments, Part part, Respond respond) {
  auto question = read_question(request, arguments[0], part);
  if (!question) return respond(std::move(question.error()));
  auto device = device_now(context, question->address);
  if (!device) return respond(problem_of(request, device.error()));
  if (question->probe) return answer_from_vfio(context, request, *question, *device, std::move(respond));
  answer_from_sysfs(context, request, *question, std::move(respond));
}

}  // namespace

void get_regions(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Regions, std::move(respond));
}

void get_irqs(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  answer(context, request, arguments, Part::Irqs, std::move(respond));
}

}  // namespace devbindd::api
