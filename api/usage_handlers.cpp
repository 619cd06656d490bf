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

const std::vector<Column>& usage_columns() {
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
    return text_response(evidence.empty() ? "nothing is seen to use it\n" : text_table(usage_columns(), document));
  const bool in_use =
      std::ranges::any_of(evidence, [](const Evidence& item) { return item.severity == handoff::Severity::Block; });
  return json_response({{"address", sysfs::to_string(address)}, {"in_use", in_use}, {"evidence", document}});
}

// A device on a VFIO driver: by whom it is open.
void answer_for_vfio(Context& context, const Request& request, const sysfs::Device& device, const Respond& respond) {
  context.engine.find_holders(device, [request, device, respond](const handoff::HoldersAnswer& holders) {
    if (!holders) return respond(problem_of(request, holders.error()));
    std::vector<Evidence> evidence;
    if (auto open = handoff::open_evidence(device, *holders)) evidence.push_back(*open);
    respond(usage_response(request, device.address, evidence));
  });
}

void answer_for_host(Context& context, const Request& request, const sysfs::Device& device, const Respond& respond) {
  context.engine.find_usage(
      device.address, request.requester, [&context, request, device, respond](const handoff::UsageAnswer& uses) {
        if (!uses) return respond(problem_of(request, uses.error()));
        auto evidence = handoff::evidence_of(*uses, device.address);
        if (auto functions = handoff::functions_evidence(device)) evidence.push_back(std::move(*functions));
        context.engine.find_open_functions(
            device, [request, device, evidence, respond](const std::vector<handoff::OpenFunction>& functions) mutable {
              auto open = handoff::open_function_evidence(device, functions);
              evidence.insert(evidence.end(), open.begin(), open.end());
              respond(usage_response(request, device.address, evidence));
            });
      });
}

}  // namespace

void get_usage(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  const auto device = context.engine.find_device(*address);
  if (!device) return respond(problem_of(request, device.error()));
  if (sysfs::is_vfio_bound(*device)) return answer_for_vfio(context, request, *device, respond);
  answer_for_host(context, request, *device, respond);
}

}  // namespace devbindd::api
