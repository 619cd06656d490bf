// SPDX-License-Identifier: Apache-2.0
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "api/context/aside.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/doctor_text.hpp"
#include "api/render/render.hpp"
#include "api/render/render_firmware.hpp"
#include "api/render/render_iommu.hpp"

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

using Overrides = std::optional<std::map<sysfs::PciAddress, std::string>>;

/// The report of a host while it is made: by the other thread, but for the devices and their overrides.
struct Examination {
  handoff::HostFacts facts;
  std::vector<sysfs::Device> devices;
};

// nullopt: what read them hung.
Overrides overrides_of(const std::vector<sysfs::Device>& devices,
                       const handoff::ResultOf<handoff::ReadOverrides>& result) {
  if (!result) return std::nullopt;
  Overrides found(std::in_place);
  for (std::size_t at = 0; at < std::min(devices.size(), result->size()); ++at) {
    if (auto value = sysfs::override_from_attribute(result->at(at))) found->emplace(devices[at].address, *value);
  }
  return found;
}

void examine_host(Context& context, const Request& request, std::shared_ptr<Examination> host,
                  handoff::ResultOf<handoff::ReadOverrides> overrides, const Respond& respond) {
  host->facts.damaged_rows = context.engine.damaged_rows().all();
  const auto work = [request, host = std::move(host), overrides = std::move(overrides)] {
    host->facts.overrides = overrides_of(host->devices, overrides);
    host->facts.devices = std::move(host->devices);
    auto response = doctor_response(request, handoff::examine(host->facts));
    *host = {};  // on this thread
    return response;
  };
  aside(context, request, work, respond);
}

// All of them by one worker: what hangs is told as unknown.
void read_overrides(Context& context, const Request& request, const std::shared_ptr<Examination>& host,
                    handoff::ReadOverrides overrides, const Respond& respond) {
  const auto take = [&context, request, host, respond](handoff::ResultOf<handoff::ReadOverrides> result) {
    examine_host(context, request, host, std::move(result), respond);
  };
  handoff::ask(context.engine.services().run_task, std::move(overrides), asker_of(request.requester), "the read hangs",
               take);
}

void gather_facts(Context& context, const Request& request, std::vector<sysfs::Device> devices, Respond respond) {
  struct Gathered {
    sysfs::Result<std::shared_ptr<Examination>> host;
    handoff::ReadOverrides overrides;
  };
  const auto& services = context.engine.services();
  auto work = [&services, devices = std::move(devices)]() mutable -> Gathered {
    auto facts = handoff::gather_host_facts(services.tree, services.modules);
    if (!facts) return {std::unexpected(facts.error()), {}};
    handoff::ReadOverrides overrides;
    for (const auto& device : devices) overrides.devices.push_back(device.address);
    auto host = std::make_shared<Examination>(Examination{std::move(*facts), std::move(devices)});
    return {std::move(host), std::move(overrides)};
  };
  aside(context, request, std::move(work), [&context, request, respond = std::move(respond)](Gathered gathered) {
    if (!gathered.host) return respond(problem_of(request, gathered.host.error()));
    read_overrides(context, request, *gathered.host, std::move(gathered.overrides), respond);
  });
}

Response iommus_response(const sysfs::Tree& tree, const sysfs::FirmwareLog& log, const Request& request,
                         const Paging& wanted) {
  auto units = sysfs::list_iommu_units(tree);
  if (!units) return problem_of(request, units.error());
  std::vector<std::pair<std::string, json>> items;
  const auto state = sysfs::read_iommu_state(tree);
  const auto firmware = sysfs::read_iommu_firmware(tree, *units, state, log);
  for (const auto& unit : *units) {
    auto item = render_iommu_unit(unit);
    item["firmware"] = render_unit_firmware(firmware, items.size());
    items.emplace_back(unit.name, std::move(item));
  }
  auto document = page(request, items, wanted);
  if (!document) return std::move(document.error());
  (*document)["translation"] = render_iommu_state(state, firmware.remapping);
  (*document)["firmware"] = render_firmware(firmware);
  return wants_text(request) ? text_response(iommu_text(*document)) : json_response(*document);
}

}  // namespace

void list_iommus(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = only_paging(request);
  if (!wanted) return respond(std::move(wanted.error()));
  const auto work = [&tree = context.engine.services().tree, log = context.firmware_log, request,
                     wanted = std::move(*wanted)] { return iommus_response(tree, log, request, wanted); };
  aside(context, request, work, std::move(respond));
}

void get_doctor(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  // To copy thousands of devices takes its time too; one that goes meanwhile is not missed.
  in_turns(context, request,
           [&context, request, next = std::optional<sysfs::PciAddress>(), devices = std::vector<sysfs::Device>(),
            respond = std::move(respond)]() mutable {
             const auto& present = context.engine.services().inventory.devices();
             const auto found = next ? present.upper_bound(*next) : present.begin();
             if (found == present.end()) {
               gather_facts(context, request, std::move(devices), std::move(respond));
               return false;
             }
             next = found->first;
             devices.push_back(found->second);
             return true;
           });
}

}  // namespace devbindd::api
