#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/text_table.hpp"
#include "handoff/json.hpp"
#include "handoff/verdict.hpp"

namespace devbindd::api {
namespace {

using handoff::Evidence;
using nlohmann::json;

const std::vector<Column>& columns() {
  static const std::vector<Column> list = {
      {"CODE", [](const json& evidence) { return plain(evidence["code"]); }},
      {"SEVERITY", [](const json& evidence) { return plain(evidence["severity"]); }},
      {"WHAT", [](const json& evidence) { return plain(evidence["detail"]); }}};
  return list;
}

Response usage_response(const Request& request, const sysfs::PciAddress& address,
                        const std::vector<Evidence>& evidence) {
  const auto document = handoff::to_json(evidence);
  if (wants_text(request))
    return text_response(evidence.empty() ? "nothing is seen to use it\n" : text_table(columns(), document));
  const bool in_use =
      std::ranges::any_of(evidence, [](const Evidence& item) { return item.severity == handoff::Severity::Block; });
  return json_response({{"address", sysfs::to_string(address)}, {"in_use", in_use}, {"evidence", document}});
}

// A device on a VFIO driver: by whom it is open.
void find_openers(Context& context, const Request& request, const sysfs::Device& device, const Respond& respond) {
  const vfio::HolderQuery query{.address = device.address,
                                .group = device.iommu_group,
                                .vfio_device = device.vfio_device,
                                .device_open = device.enable_count.value_or(0) > 0};
  const auto answered = std::make_shared<bool>(false);
  const auto answer = [request, device, answered, respond](const handoff::TaskResult& result) {
    if (std::exchange(*answered, true)) return;
    if (!result) return respond(problem_of(request, result.error()));
    std::vector<Evidence> evidence;
    if (auto open = handoff::open_evidence(device, handoff::holders_from(*result))) evidence.push_back(*open);
    respond(usage_response(request, device.address, evidence));
  };
  context.engine.services().run_task(
      handoff::task_for(query),
      {.on_overdue =
           [answer](int) {
             answer(sysfs::fail(sysfs::ErrorCode::Overdue, "looking through all processes took too long"));
           },
       .on_result = answer});
}

}  // namespace

void get_usage(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  const auto* device = (*inventory)->find(*address);
  if (device == nullptr) {
    return respond(problem_of(request, sysfs::Error{sysfs::ErrorCode::DeviceNotFound,
                                                    "there is no PCI device at " + sysfs::to_string(*address)}));
  }
  if (sysfs::is_vfio_bound(*device)) return find_openers(context, request, *device, respond);
  context.engine.find_usage(*address, request.requester,
                            [request, address = *address, respond](const handoff::UsageAnswer& uses) {
                              if (!uses) return respond(problem_of(request, uses.error()));
                              respond(usage_response(request, address, handoff::evidence_of(*uses, address)));
                            });
}

}  // namespace devbindd::api
