// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers/device_search.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/listed_overrides.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/entity_tag.hpp"
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

struct ListQuery {
  handoff::Selector filter = {};
  OverrideFilter overrides = {};
  std::vector<std::string> searched = {};
  Paging page = {};

  bool wants_overrides() const {
    return overrides || std::ranges::any_of(page.fields, [](const std::string& field) {
             return field == "driver_override" || field == "driver_override_error";
           });
  }
};

OrResponse<ListQuery> read_list_query(const Request& request) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  ListQuery wanted;
  read_selector_fields(query, wanted.filter);
  wanted.overrides = read_override_filter(query);
  wanted.searched = read_search(query);
  wanted.page = paging(query);
  query.finish();
  if (!mistakes.none()) return std::unexpected(to_response(request, mistakes));
  return wanted;
}

/// What the items of one list are made of; it lives as long as the list is made.
struct DeviceList {
  ListQuery wanted;
  DeviceSearch search;
  std::optional<handoff::OverrideAnswers> overrides;  ///< where they are wanted
  sysfs::Routes routes = {};
  std::uint64_t network = 0;  ///< the count of the network's changes that the routes are of
};

// Of a device that has come since the overrides were read, nothing is known yet.
const handoff::OverrideAnswer* override_of(const DeviceList& list, const sysfs::Device& device) {
  const auto known = list.overrides->find(device.address);
  return known == list.overrides->end() ? nullptr : &known->second;
}

bool belongs(Context& context, const DeviceList& list, const std::string& key) {
  const auto* device = context.engine.services().inventory.find(sysfs::parse_pci_address(key).value());
  if (device == nullptr || !handoff::fits(list.wanted.filter, *device)) return false;
  if (list.overrides) {
    const auto* known = override_of(list, *device);
    if (known == nullptr || !list.wanted.overrides.fits(*known)) return false;
  }
  return list.search.finds(context.names, *device);
}

sysfs::Result<std::optional<json>> device_item(Context& context, const DeviceList& list, const std::string& key) {
  const auto* device = context.engine.services().inventory.find(sysfs::parse_pci_address(key).value());
  if (device == nullptr) return std::nullopt;  // gone since it was listed
  auto rendered = render_device(context, *device, list.routes);
  if (!rendered) return std::unexpected(rendered.error());
  if (list.overrides)
    if (const auto* known = override_of(list, *device)) rendered->update(render_override(*known));
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

void answer_devices(Context& context, const Request& request, DeviceList list, Respond respond) {
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  auto routes = current_routes(context);
  if (!routes) return respond(problem_of(request, routes.error()));
  list.routes = std::move(*routes);
  list.network = context.engine.view().network_generation();
  std::vector<std::string> keys;
  for (const auto& [address, device] : (*inventory)->devices()) keys.push_back(sysfs::to_string(address));
  auto page = list.wanted.page;
  const auto kept = std::make_shared<const DeviceList>(std::move(list));
  if (wants_text(request)) return answer_status(context, request, kept, std::move(keys), std::move(respond));
  static const std::vector<Column> no_columns;
  Listing listing{.keys = std::move(keys),
                  .belongs = [&context, kept](const std::string& key) { return belongs(context, *kept, key); },
                  .render = [&context, kept](const std::string& key) { return device_item(context, *kept, key); },
                  .columns = no_columns};
  // What is kept of an item has no override.
  if (!kept->overrides)
    listing.text = [&context, kept](const std::string& key) { return device_text(context, *kept, key); };
  answer_list(context, request, std::move(listing), std::move(page), std::move(respond));
}

void answer_found(Context& context, const Request& request, ListQuery wanted, DeviceSearch search, Respond respond) {
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  if (!wanted.wants_overrides())
    return answer_devices(context, request, {std::move(wanted), std::move(search), std::nullopt}, std::move(respond));
  std::vector<sysfs::PciAddress> asked;
  for (const auto& [address, device] : (*inventory)->devices())
    if (handoff::fits(wanted.filter, device)) asked.push_back(address);
  context.engine.readers().overrides().read(asked, asker_of(request.requester),
                                            [&context, request, wanted = std::move(wanted), search = std::move(search),
                                             respond](const handoff::OverrideAnswers& overrides) {
                                              answer_devices(context, request, {wanted, search, overrides}, respond);
                                            });
}

// What only a worker can read has no counter, so that lists with it are not kept.
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
  answer_devices(context, maker->request, {std::move(wanted), {}, std::nullopt}, std::move(keep));
}

}  // namespace

void list_devices(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = read_list_query(request);
  if (!wanted) return respond(std::move(wanted.error()));
  if (wanted->searched.empty() && !wanted->wants_overrides())
    return answer_once(context, request, std::move(*wanted), std::move(respond));
  if (wanted->searched.empty()) return answer_found(context, request, std::move(*wanted), {}, std::move(respond));
  context.engine.readers().find_alternative_names(
      asker_of(request.requester),
      [&context, request, wanted = std::move(*wanted), respond](const sysfs::Result<sysfs::AlternativeNames>& names) {
        if (!names) return respond(problem_of(request, names.error()));
        if (auto inventory = context.engine.current(); !inventory)
          return respond(problem_of(request, inventory.error()));
        answer_found(context, request, wanted, DeviceSearch(context, wanted.searched, *names), respond);
      });
}

}  // namespace devbindd::api
