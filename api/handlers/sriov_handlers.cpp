// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/bindings.hpp"
#include "api/handlers/change.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/problem.hpp"
#include "api/render/render.hpp"
#include "api/requests/binding_request.hpp"
#include "sysfs/device/sriov.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

json sriov_document(const sysfs::Device& device, const std::optional<sysfs::Sriov>& sriov,
                    std::vector<json> functions) {
  // In the order of their addresses, which is that of their indexes.
  for (std::size_t index = 0; index < functions.size(); ++index) functions[index]["index"] = index;
  return {{"address", sysfs::to_string(device.address)},
          {"total_vfs", sriov ? sriov->total : 0},
          {"drivers_autoprobe", sriov ? json(sriov->autoprobe) : json(nullptr)},
          {"offset", sriov ? json(sriov->offset) : json(nullptr)},
          {"stride", sriov ? json(sriov->stride) : json(nullptr)},
          {"vfs", std::move(functions)}};
}

void answer_with_functions(Context& context, const Request& request, const sysfs::PciAddress& address,
                           const std::function<void(json)>& done, const Respond& respond) {
  auto device = context.engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  auto sriov = sysfs::read_sriov(context.engine.services().tree, *device);
  read_bindings(
      context, request, device->virtfns,
      [done, device = *device, sriov](std::vector<json> functions) {
        done(sriov_document(device, sriov, std::move(functions)));
      },
      respond);
}

}  // namespace

void get_sriov(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  answer_with_functions(
      context, request, *address, [respond](const json& document) { respond(json_response(document)); }, respond);
}

void put_sriov(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  query.finish();
  auto change = read_sriov_request(body_of(request, mistakes), address, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  submit_change(
      context, request, std::move(change), dry_run,
      [&context, request, address](bool changed, const std::string& operation, const Respond& answer) {
        answer_with_functions(
            context, request, address,
            [changed, operation, answer](json document) {
              document["dry_run"] = false;
              document["changed"] = changed;
              document["operation"] = changed ? json("/v1/operations/" + operation) : json(nullptr);
              answer(json_response(document));
            },
            answer);
      },
      std::move(respond));
}

}  // namespace devbindd::api
