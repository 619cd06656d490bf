#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "api/doctor_text.hpp"
#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/render_iommu.hpp"
#include "api/text_table.hpp"

namespace devbindd::api {
namespace {

using handoff::Verdict;
using nlohmann::json;

json render_check(const handoff::Check& check) {
  return {{"id", check.id},
          {"verdict", handoff::name_of(check.verdict)},
          {"title", check.title},
          {"detail", check.detail},
          {"next_step", check.next_step.empty() ? json(nullptr) : json(check.next_step)}};
}

// The worst verdict of all is that of the host.
Verdict overall(const std::vector<handoff::Check>& checks) {
  auto worst = Verdict::Pass;
  for (const auto& check : checks) worst = std::max(worst, check.verdict);
  return worst;
}

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "this host";
}

Response doctor_response(const Request& request, const std::vector<handoff::Check>& checks) {
  if (wants_text(request)) return text_response(doctor_text(checks, host_name()));
  json list = json::array();
  for (const auto& check : checks) list.push_back(render_check(check));
  return json_response({{"verdict", handoff::name_of(overall(checks))}, {"checks", std::move(list)}});
}

// All of them by one worker: what hangs is told as unknown.
using Overrides = std::optional<std::map<sysfs::PciAddress, std::string>>;
void read_overrides(Context& context, const Request& request, const std::vector<sysfs::Device>& devices,
                    std::function<void(Overrides)> done) {
  handoff::Task task{handoff::TaskKind::ReadOverrides, {}, asker_of(request.requester)};
  for (const auto& device : devices) task.arguments.push_back(sysfs::to_string(device.address));
  const auto take = [devices, done = std::move(done)](const handoff::TaskResult& result) {
    if (!result) return done(std::nullopt);
    std::map<sysfs::PciAddress, std::string> found;
    for (std::size_t at = 0; at < std::min(devices.size(), result->size()); ++at) {
      if (auto value = sysfs::override_from_attribute(result->at(at))) found.emplace(devices[at].address, *value);
    }
    done(std::move(found));
  };
  context.engine.services().run_task(std::move(task), handoff::within_deadline("the read hangs", take));
}

}  // namespace

void list_iommus(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = only_paging(request);
  if (!wanted) return respond(std::move(wanted.error()));
  const auto& tree = context.engine.services().tree;
  auto units = sysfs::list_iommu_units(tree);
  if (!units) return respond(problem_of(request, units.error()));
  std::vector<std::pair<std::string, json>> items;
  for (const auto& unit : *units) items.emplace_back(unit.name, render_iommu_unit(unit));
  auto document = page(request, items, *wanted);
  if (!document) return respond(std::move(document.error()));
  (*document)["translation"] = render_iommu_state(sysfs::read_iommu_state(tree));
  respond(wants_text(request) ? text_response(iommu_text(*document)) : json_response(*document));
}

void get_doctor(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  std::vector<sysfs::Device> devices;
  for (const auto& [address, device] : (*inventory)->devices()) devices.push_back(device);
  const auto& services = context.engine.services();
  auto facts = handoff::gather_host_facts(services.tree, services.modules, devices);
  if (!facts) return respond(problem_of(request, facts.error()));
  facts->damaged_rows = context.engine.damaged_rows();
  read_overrides(context, request, devices, [request, respond, facts = std::move(*facts)](auto overrides) mutable {
    facts.overrides = std::move(overrides);
    respond(doctor_response(request, handoff::examine(facts)));
  });
}

}  // namespace devbindd::api
