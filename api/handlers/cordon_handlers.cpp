// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/denied.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/json_body.hpp"
#include "api/http/parameters.hpp"
#include "api/http/problem.hpp"
#include "api/http/query.hpp"
#include "api/render/render.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t max_reason = 256;

void answer_with_cordon(Context& context, const Request& request, const sysfs::PciAddress& address,
                        const Respond& respond) {
  const auto device = context.engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  respond(json_response({{"address", sysfs::to_string(address)}, {"cordon", render_cordon(context, *device)}}));
}

std::string read_reason(const Request& request, Mistakes& mistakes) {
  auto reason = only_text(request, "reason", mistakes).value_or("");
  if (reason.size() > max_reason)
    mistakes.add("invalid_value", "/reason", "a reason has at most " + std::to_string(max_reason) + " bytes");
  return reason;
}

std::optional<Response> refused_read_only(const Context& context, const Request& request) {
  if (!context.read_only) return std::nullopt;
  return problem_of(request,
                    sysfs::Error{sysfs::ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"});
}

}  // namespace

void get_cordon(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  answer_with_cordon(context, request, *address, respond);
}

void put_cordon(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  QueryReader(request.query, mistakes).finish();
  auto reason = read_reason(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  if (auto refusal = refused_read_only(context, request)) return respond(std::move(*refusal));
  const auto device = context.engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  if (auto denial = device_denied(context, request, *device)) return respond(std::move(*denial));
  context.engine.cordons().set(*device, std::move(reason), request.requester,
                               [&context, request, address, respond](const sysfs::Result<>& stored) {
                                 if (!stored) return respond(problem_of(request, stored.error()));
                                 answer_with_cordon(context, request, address, respond);
                               });
}

void delete_cordon(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  if (auto refusal = refused_read_only(context, request)) return respond(std::move(*refusal));
  if (auto denial = device_denied(context, request, device_at(context, *address))) return respond(std::move(*denial));
  // Also of a device that is not there just now: of one that is not cordoned nothing is forgotten.
  if (!context.engine.cordons().contains(*address)) return answer_with_cordon(context, request, *address, respond);
  context.engine.cordons().clear(
      *address, [request, address = *address, respond = std::move(respond)](const sysfs::Result<>& stored) {
        if (!stored) return respond(problem_of(request, stored.error()));
        respond(json_response({{"address", sysfs::to_string(address)}, {"cordon", nullptr}}));
      });
}

}  // namespace devbindd::api
