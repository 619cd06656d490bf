// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render.hpp"
#include "api/render/render_facts.hpp"
#include "handoff/journal/json.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

using NamesAnswer =
    std::optional<sysfs::Result<sysfs::AlternativeNames>>;  // nullopt: it had no interface, nobody asked

json interface_details(const sysfs::Device& device, const NamesAnswer& answer) {
  if (!answer && device.interfaces.empty())
    return {{"interface_details", json::array()}, {"interface_details_error", nullptr}};
  const auto alternatives = answer.value_or(
      sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "the interfaces have come while this was answered: ask again"));
  json details = json::array();
  for (const auto& interface : device.interfaces) {
    json names = alternatives ? json::array() : json(nullptr);
    if (alternatives && alternatives->contains(interface)) names = alternatives->at(interface);
    details.push_back({{"name", interface}, {"alternative_names", std::move(names)}});
  }
  return {{"interface_details", std::move(details)},
          {"interface_details_error", alternatives ? json(nullptr) : json(alternatives.error().message)}};
}

// What workers read for one device; each part may be an error of its own.
struct DeviceParts {
  NamesAnswer alternative_names;
  handoff::OverrideAnswer driver_override;
  std::optional<handoff::ConfigReader::Answer> config;  ///< nullopt: the serial number is known already
  sysfs::Result<handoff::Attributes> attributes;
  std::optional<handoff::ResultOf<handoff::ReadVpd>> vpd;
  std::vector<std::string> fields;  ///< that the answer is to have
  int waiting = 0;
};

json serial_number(const Context& context, const sysfs::Device& device,
                   const std::optional<handoff::ConfigReader::Answer>& config) {
  if (config) return render_serial(*config);
  if (const auto* known = context.serial_numbers.find(device)) return render_serial(*known);
  return render_serial(
      sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "another device has come in its place meanwhile: ask again"));
}

sysfs::Result<json> device_document(Context& context, const sysfs::PciAddress& address, const DeviceParts& parts) {
  const auto& tree = context.engine.services().tree;
  const auto device = context.engine.find_device(address);
  if (!device) return std::unexpected(device.error());
  auto routes = current_routes(context);
  if (!routes) return std::unexpected(routes.error());
  auto document = render_device(context, *device, *routes);
  if (!document) return std::unexpected(document.error());
  document->update(render_keeping(context, *device, parts.driver_override));
  auto text = tree.read(sysfs::paths::attribute(address, "resource"));
  if (!text) return std::unexpected(text.error());
  auto resources = sysfs::parse_resources(*text);
  if (!resources) return std::unexpected(resources.error());
  document->update(render_facts(tree, *device, parts.attributes));
  document->update(render_resources(*resources, *device));
  document->update(serial_number(context, *device, parts.config));
  document->update(interface_details(*device, parts.alternative_names));
  const auto board =
      context.names.subsystem(device->vendor, device->device, device->subsystem_vendor, device->subsystem_device);
  const auto maker = context.names.vendor(device->subsystem_vendor);
  (*document)["subsystem_name"] = board ? json(*board) : json(nullptr);
  (*document)["subsystem_vendor_name"] = maker ? json(*maker) : json(nullptr);
  if (parts.vpd) (*document)["vital_product_data"] = render_vital_product_data(*parts.vpd);
  return document;
}

Response device_response(Context& context, const Request& request, const sysfs::PciAddress& address,
                         const DeviceParts& parts) {
  auto document = device_document(context, address, parts);
  if (!document) return problem_of(request, document.error());
  if (auto refusal = keep_fields(request, parts.fields, *document)) return std::move(*refusal);
  return json_response(*document);
}

// Each calls `arrived` once; what is known already, or is nothing, takes no worker.
void find_serial_number(Context& context, const sysfs::Device& device, const handoff::Asker& asker,
                        const std::shared_ptr<DeviceParts>& parts, const std::function<void()>& arrived) {
  if (context.serial_numbers.find(device) != nullptr) return arrived();
  context.engine.readers().configs().read(device.address, asker,
                                          [&context, device, parts, arrived](handoff::ConfigReader::Answer config) {
                                            if (config) context.serial_numbers.keep(device, *config);
                                            parts->config = std::move(config);
                                            arrived();
                                          });
}

void find_alternative_names(Context& context, const sysfs::Device& device, const handoff::Asker& asker,
                            const std::shared_ptr<DeviceParts>& parts, const std::function<void()>& arrived) {
  if (device.interfaces.empty()) return arrived();
  context.engine.readers().find_alternative_names(asker,
                                                  [parts, arrived](sysfs::Result<sysfs::AlternativeNames> names) {
                                                    parts->alternative_names = std::move(names);
                                                    arrived();
                                                  });
}

}  // namespace

void get_device(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  const auto address = address_parameter(arguments[0], mistakes);
  QueryReader query(request.query, mistakes);
  const auto parts = std::make_shared<DeviceParts>();
  const bool with_vpd = query.flag("vpd");
  parts->fields = fields_parameter(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto& engine = context.engine;
  const auto device = engine.find_device(address);
  if (!device) return respond(problem_of(request, device.error()));
  parts->waiting = with_vpd ? 5 : 4;
  const auto arrived = [&context, request, parts, address, respond] {
    if (--parts->waiting == 0) respond(device_response(context, request, address, *parts));
  };
  const auto asker = asker_of(request.requester);
  find_alternative_names(context, *device, asker, parts, arrived);
  engine.readers().overrides().read({address}, asker, [parts, arrived](handoff::OverrideAnswers answers) {
    parts->driver_override = std::move(answers.begin()->second);
    arrived();
  });
  find_serial_number(context, *device, asker, parts, arrived);
  engine.readers().attributes().read(address, sysfs::fact_attributes(), asker,
                                     [parts, arrived](sysfs::Result<handoff::Attributes> attributes) {
                                       parts->attributes = std::move(attributes);
                                       arrived();
                                     });
  if (!with_vpd) return;
  engine.readers().vital_product_data().read(address, {.device = address}, asker,
                                             [parts, arrived](handoff::ResultOf<handoff::ReadVpd> vpd) {
                                               parts->vpd = std::move(vpd);
                                               arrived();
                                             });
}

}  // namespace devbindd::api
