// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "api/render/render_config.hpp"

namespace devbindd::api {
namespace {

std::string title_of(const Context& context, const sysfs::Device& device) {
  const auto class_name = context.names.class_name(device.class_code)
                              .value_or("Class " + hex_id(static_cast<std::uint16_t>(device.class_code >> 8U)));
  const auto vendor = context.names.vendor(device.vendor).value_or("Vendor " + hex_id(device.vendor));
  const auto name = context.names.device(device.vendor, device.device).value_or("Device " + hex_id(device.device));
  return sysfs::to_string(device.address) + " " + class_name + ": " + vendor + " " + name;
}

Response config_response(const Context& context, const Request& request, const sysfs::Device& device,
                         const sysfs::ConfigSpace& config) {
  if (wants_text(request)) return text_response(config_text(title_of(context, device), config));
  auto document = render_config(config);
  document["address"] = sysfs::to_string(device.address);
  return json_response(document);
}

}  // namespace

void get_config(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  auto found = context.engine.find_device(*address);
  if (!found) return respond(problem_of(request, found.error()));
  context.engine.readers().configs().read(
      *address, asker_of(request.requester),
      [&context, request, device = *found, respond](const handoff::ConfigReader::Answer& config) {
        if (!config) return respond(problem_of(request, config.error()));
        respond(config_response(context, request, device, *config));
      });
}

}  // namespace devbindd::api
