// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/entity_tag.hpp"
#include "api/http/field_text.hpp"
#include "api/http/parameters.hpp"
#include "api/http/plain_text.hpp"
#include "api/http/text_table.hpp"
#include "api/render/devbind_status.hpp"
#include "api/render/render.hpp"
#include "api/requests/selector_fields.hpp"
#include "handoff/journal/json.hpp"
#include "sysfs/kernel/kernel_module.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// What a person types to find a device: part of its address, IDs or any of its names, in whatever case.
bool is_found(Context& context, const sysfs::Device& device, const sysfs::AlternativeNames& alternatives,
              const std::vector<std::string>& searched) {
  if (searched.empty()) return true;
  const auto& names = context.names;
  std::vector<std::string> texts = {sysfs::to_string(device.address),
                                    hex_id(device.vendor) + ":" + hex_id(device.device),
                                    names.vendor(device.vendor).value_or(""),
                                    names.device(device.vendor, device.device).value_or(""),
                                    names.class_name(device.class_code).value_or(""),
                                    names.vendor(device.subsystem_vendor).value_or(""),
                                    device.driver ? device.driver->text() : std::string{}};
  for (const auto& interface : device.interfaces) {
    texts.push_back(interface);
    const auto known = alternatives.find(interface);
    if (known != alternatives.end()) texts.insert(texts.end(), known->second.begin(), known->second.end());
  }
  return std::ranges::any_of(texts, [&searched](const std::string& text) {
    return std::ranges::any_of(searched, [&](const std::string& part) { return lower(text).contains(part); });
  });
}

std::vector<std::string> read_search(QueryReader& query) {
  constexpr std::size_t longest = 128;
  auto searched = query.all("search");
  for (auto& part : searched) {
    if (part.empty() || part.size() > longest) query.wrong("search", "a text of 1 to 128 bytes is searched for");
    part = lower(part);
  }
  return searched;
}

struct ListQuery {
  handoff::Selector filter = {};
  std::vector<std::string> searched = {};
  Paging page = {};
};

OrResponse<ListQuery> read_list_query(const Request& request) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  ListQuery wanted;
  read_selector_fields(query, wanted.filter);
  wanted.searched = read_search(query);
  wanted.page = paging(query);
  query.finish();
  if (!mistakes.none()) return std::unexpected(to_response(request, mistakes));
  return wanted;
}

/// What the items of one list are made of; it lives as long as the list is made.
struct DeviceList {
  ListQuery wanted;
  sysfs::AlternativeNames alternatives;
  sysfs::Routes routes;
  std::uint64_t network = 0;  ///< the count of the network's changes that the routes are of
};

bool belongs(Context& context, const DeviceList& list, const std::string& key) {
  const auto* device = context.engine.services().inventory.find(sysfs::parse_pci_address(key).value());
  return device != nullptr && handoff::fits(list.wanted.filter, *device) &&
         is_found(context, *device, list.alternatives, list.wanted.searched);
}

sysfs::Result<std::optional<json>> device_item(Context& context, const DeviceList& list, const std::string& key) {
  const auto* device = context.engine.services().inventory.find(sysfs::parse_pci_address(key).value());
  if (device == nullptr) return std::nullopt;  // gone since it was listed
  auto rendered = render_device(context, *device, list.routes);
  if (!rendered) return std::unexpected(rendered.error());
  return std::optional(std::move(*rendered));
}

std::uint64_t half_minutes() {
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(since_boot / AnswerCache::longest);
}

// Everything besides the host's own counters that the item says is compared, and not trusted to be unchanged.
ItemState state_of(const Context& context, const DeviceList& list, const sysfs::Device& device) {
  const auto& engine = context.engine;
  const auto& inventory = engine.services().inventory;
  return {.revision = inventory.revision_of(device.address),
          .network = device.interfaces.empty() ? 0 : list.network,  // they may have changed since the list was begun
          .nodes = sysfs::is_vfio_bound(device) ? engine.view().node_generation() : 0,
          .drivers = inventory.driver_generation(),
          .half_minute = half_minutes(),
          .claim = engine.claim_of(device),
          .operation = engine.operations().id_on(device.address),
          .cordons = engine.cordons().contains(device.address) ? engine.cordons().generation() : 0,
          .left_with = engine.originals().left_with(device)};
}

sysfs::Result<std::optional<std::string>> device_text(Context& context, const DeviceList& list,
                                                      const std::string& key) {
  const auto address = sysfs::parse_pci_address(key).value();
  const auto* device = context.engine.services().inventory.find(address);
  if (device == nullptr) {
    context.items.forget(address);
    return std::nullopt;
  }
  auto state = state_of(context, list, *device);
  if (const auto* known = context.items.find(address, state)) return std::optional(*known);
  auto rendered = render_device(context, *device, list.routes);
  if (!rendered) return std::unexpected(rendered.error());
  return std::optional(context.items.keep(address, std::move(state), handoff::dump(*rendered)));
}

DevbindDevice status_line(Context& context, const DeviceList& list, const std::string& key) {
  const auto& device = *context.engine.services().inventory.find(sysfs::parse_pci_address(key).value());
  const bool routed = std::ranges::any_of(
      device.interfaces, [&](const auto& name) { return list.routes.routed_interfaces.contains(name); });
  return {device, context.names.device(device.vendor, device.device).value_or("Device"),
          matching_modules(context, device), routed};
}

// As dpdk-devbind.py -s: always the whole list.
void answer_status(Context& context, const Request& request, const std::shared_ptr<const DeviceList>& list,
                   std::vector<std::string> keys, Respond respond) {
  const auto lines = std::make_shared<std::vector<DevbindDevice>>();
  in_turns(context, request, [&context, list, keys = std::move(keys), at = std::size_t{0}, lines, respond]() mutable {
    if (at == keys.size()) {
      respond(text_response(devbind_status(*lines, loaded_userspace_drivers(context))));
      return false;
    }
    const auto& key = keys[at++];
    if (belongs(context, *list, key)) lines->push_back(status_line(context, *list, key));
    return true;
  });
}

void answer_devices(Context& context, const Request& request, ListQuery wanted, sysfs::AlternativeNames alternatives,
                    Respond respond) {
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  auto routes = current_routes(context);
  if (!routes) return respond(problem_of(request, routes.error()));
  std::vector<std::string> keys;
  for (const auto& [address, device] : (*inventory)->devices()) keys.push_back(sysfs::to_string(address));
  auto page = wanted.page;
  const auto list = std::make_shared<const DeviceList>(std::move(wanted), std::move(alternatives), std::move(*routes),
                                                       context.engine.view().network_generation());
  if (wants_text(request)) return answer_status(context, request, list, std::move(keys), std::move(respond));
  static const std::vector<Column> no_columns;
  answer_list(context, request,
              {.keys = std::move(keys),
               .belongs = [&context, list](const std::string& key) { return belongs(context, *list, key); },
               .render = [&context, list](const std::string& key) { return device_item(context, *list, key); },
               .text = [&context, list](const std::string& key) { return device_text(context, *list, key); },
               .columns = no_columns},
              std::move(page), std::move(respond));
}

// Names that only a worker can read have no counter.
std::string asked_for(const Request& request) {
  std::string asked = wants_text(request) ? "text" : "json";
  for (const auto& [name, value] : request.query) asked += "\n" + name + "=" + value;
  return asked;
}

// What is made is kept, unless something has changed while it was made.
Respond keeping(Context& context, std::string asked, Version version, Respond respond) {
  return
      [&context, asked = std::move(asked), version = std::move(version), respond = std::move(respond)](Response made) {
        if (made.status != 200 || version_of(context) != version) return respond(std::move(made));
        made.shared_body = std::make_shared<const std::string>(
            made.content_type.starts_with("text/") ? several_lines(made.body) : std::move(made.body));
        made.body.clear();
        const auto tag = entity_tag(*made.shared_body);
        made.headers.emplace_back("ETag", tag);
        made.headers.emplace_back("Vary", "Accept");
        context.answers.keep(asked, version, {made.content_type, made.shared_body, tag});
        respond(std::move(made));
      };
}

// By all who ask for the same meanwhile.
void answer_once(Context& context, const Request& request, ListQuery wanted, Respond respond) {
  if (auto inventory = context.engine.current(); !inventory) return respond(problem_of(request, inventory.error()));
  auto version = version_of(context);
  auto asked = asked_for(request);
  if (const auto* known = context.answers.find(asked, version))
    return respond({.status = 200,
                    .content_type = known->content_type,
                    .body = {},
                    .headers = {{"ETag", known->tag}, {"Vary", "Accept"}},
                    .shared_body = known->body});
  auto ask_again = [&context, request, wanted, respond] { answer_once(context, request, wanted, respond); };
  auto maker = context.answers_in_making.wait(asked, version, request, std::move(respond), std::move(ask_again));
  if (!maker) return;
  auto keep = keeping(context, std::move(asked), std::move(version), std::move(maker->respond));
  answer_devices(context, maker->request, std::move(wanted), {}, std::move(keep));
}

}  // namespace

void list_devices(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = read_list_query(request);
  if (!wanted) return respond(std::move(wanted.error()));
  if (wanted->searched.empty()) return answer_once(context, request, std::move(*wanted), std::move(respond));
  context.engine.readers().find_alternative_names(
      asker_of(request.requester),
      [&context, request, wanted = std::move(*wanted), respond](const sysfs::Result<sysfs::AlternativeNames>& names) {
        if (!names) return respond(problem_of(request, names.error()));
        answer_devices(context, request, wanted, *names, respond);
      });
}

}  // namespace devbindd::api
