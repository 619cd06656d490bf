#include <nlohmann/json.hpp>

#include "api/handlers.hpp"
#include "api/json_body.hpp"
#include "api/parameters.hpp"
#include "api/problem.hpp"
#include "api/query.hpp"
#include "api/render.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t max_reason = 256;

void answer_with_drain(Context& context, const Request& request, const sysfs::PciAddress& address,
                       const Respond& respond) {
  const auto device = context.engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  respond(json_response({{"address", sysfs::to_string(address)}, {"drain", render_drain(context, *device)}}));
}

OrResponse<std::string> read_reason(const Request& request) {
  auto reason = only_text(request, "reason");
  if (!reason) return std::unexpected(std::move(reason.error()));
  auto text = reason->value_or("");
  if (text.size() <= max_reason) return text;
  return std::unexpected(bad_request(request, "invalid_value", "/reason",
                                     "a reason has at most " + std::to_string(max_reason) + " bytes"));
}

// What both changes need before anything else: an address, and a daemon that may change things.
OrResponse<sysfs::PciAddress> address_to_change(Context& context, const Request& request,
                                                const PathArguments& arguments) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return address;
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (!context.read_only) return address;
  return std::unexpected(problem_of(
      request, sysfs::Error{sysfs::ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"}));
}

}  // namespace

void get_drain(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = address_parameter(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  answer_with_drain(context, request, *address, respond);
}

void put_drain(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto reason = read_reason(request);
  if (!reason) return respond(std::move(reason.error()));
  auto address = address_to_change(context, request, arguments);
  if (!address) return respond(std::move(address.error()));
  const auto device = context.engine.find_device(*address);
  if (!device) return respond(problem_of(request, device.error()));
  context.engine.drains().set(*device, std::move(*reason), request.requester,
                              [&context, request, address = *address, respond](const sysfs::Result<>& stored) {
                                if (!stored) return respond(problem_of(request, stored.error()));
                                answer_with_drain(context, request, address, respond);
                              });
}

void delete_drain(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = address_to_change(context, request, arguments);
  if (!address) return respond(std::move(address.error()));
  // Also of a device that is not there just now: of one that is not drained nothing is forgotten.
  if (!context.engine.drains().contains(*address)) return answer_with_drain(context, request, *address, respond);
  context.engine.drains().clear(
      *address, [request, address = *address, respond = std::move(respond)](const sysfs::Result<>& stored) {
        if (!stored) return respond(problem_of(request, stored.error()));
        respond(json_response({{"address", sysfs::to_string(address)}, {"drain", nullptr}}));
      });
}

}  // namespace devbindd::api
