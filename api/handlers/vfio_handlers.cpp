// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "vfio/container.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

std::string_view name_of(sysfs::ModuleState state) {
  switch (state) {
    case sysfs::ModuleState::Loaded: return "loaded";
    case sysfs::ModuleState::BuiltIn: return "built_in";
    case sysfs::ModuleState::Loadable: return "loadable";
    case sysfs::ModuleState::Blacklisted: return "blacklisted";
    case sysfs::ModuleState::Unknown: return "absent";
  }
  return "absent";
}

json modules_json(Context& context) {
  const auto& services = context.engine.services();
  json modules = json::array();
  for (const auto* name : {"vfio", "vfio_pci", "vfio_iommu_type1", "iommufd"}) {
    const auto state = sysfs::module_state(services.tree, services.modules, name);
    modules.push_back({{"name", name},
                       {"state", state ? json(name_of(*state)) : json(nullptr)},
                       {"error", state ? json(nullptr) : json(state.error().message)}});
  }
  return modules;
}

// The worker's answer: API version, then number and answer of each extension.
json container_json(const handoff::ReadVfioFacts::Answer& facts) {
  json extensions = json::array();
  for (const auto& [number, answer] : facts.extensions)
    extensions.push_back({{"number", number}, {"name", vfio::extension_name(number)}, {"present", answer > 0}});
  return {{"api_version", facts.api_version}, {"extensions", std::move(extensions)}};
}

json no_iommu_json(const sysfs::Tree& tree) {
  const auto mode = tree.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
  return {{"supported", mode ? json(true) : json(nullptr)}, {"enabled", mode && *mode == "Y"}};
}

// The module parameters that decide what VFIO does; those that this kernel does not show are left out. `ids` of
// vfio-pci is never shown by the kernel.
json parameters_json(const sysfs::Tree& tree) {
  json document = json::object();
  for (const auto* path :
       {"vfio/enable_unsafe_noiommu_mode", "vfio_iommu_type1/allow_unsafe_interrupts",
        "vfio_iommu_type1/disable_hugepages", "vfio_iommu_type1/dma_entry_limit", "vfio_pci/disable_idle_d3",
        "vfio_pci/nointxmask", "vfio_pci/disable_vga", "vfio_pci/enable_sriov", "vfio_pci/disable_denylist",
        "vfio_pci_core/disable_idle_d3", "vfio_pci_core/nointxmask", "vfio_pci_core/disable_vga",
        "iommufd/allow_unsafe_interrupts"}) {
    const std::string name(path);
    const auto slash = name.find('/');
    const auto value = tree.read("sys/module/" + name.substr(0, slash) + "/parameters/" + name.substr(slash + 1));
    if (!value) continue;
    document[name.substr(0, slash) + "." + name.substr(slash + 1)] = *value;
  }
  return document;
}

sysfs::Result<json> static_facts(Context& context) {
  const auto& tree = context.engine.services().tree;
  auto nodes = vfio::list_nodes(tree);
  if (!nodes) return std::unexpected(nodes.error());
  auto inventory = context.engine.current();
  if (!inventory) return std::unexpected(inventory.error());
  json node_list = json::array();
  for (const auto& node : *nodes) node_list.push_back(to_json(node));
  json bound = json::array();
  for (const auto& [address, device] : (*inventory)->devices()) {
    if (sysfs::is_vfio_bound(device)) bound.push_back(sysfs::to_string(address));
  }
  return json{{"nodes", std::move(node_list)},       {"devices", std::move(bound)},
              {"modules", modules_json(context)},    {"no_iommu", no_iommu_json(tree)},
              {"parameters", parameters_json(tree)}, {"iommufd", sysfs::exists(tree, "dev/iommu")}};
}

}  // namespace

void get_vfio(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  auto facts = static_facts(context);
  if (!facts) return respond(problem_of(request, facts.error()));
  const auto finish = [respond, facts = *facts](json container, json error) {
    auto document = facts;
    document["container"] = std::move(container);
    document["container_error"] = std::move(error);
    respond(json_response(document));
  };
  // Opening the static node would make the kernel load the vfio module: a read must not change the host.
  if (!sysfs::exists(context.engine.services().tree, "sys/module/vfio"))
    return finish(nullptr, "the vfio module is not loaded");
  handoff::ask(context.engine.services().run_task, handoff::ReadVfioFacts{}, asker_of(request.requester),
               "the kernel did not answer in time", [finish](const handoff::ResultOf<handoff::ReadVfioFacts>& result) {
                 if (result) return finish(container_json(*result), nullptr);
                 finish(nullptr, result.error().message);
               });
}

}  // namespace devbindd::api
