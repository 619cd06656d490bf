// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "api/render/render_claim.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// A device that a policy is for, as it is now: drift is what somebody changed after the policy had been put in force.
json render_place(Context& context, const handoff::Policy& policy, const sysfs::Device& device) {
  const auto& records = context.policies.records();
  const auto found = records.find(device.address);
  const bool known = found != records.end() && found->second.policy == policy.name;
  const auto outcome = known ? found->second.outcome : handoff::PolicyOutcome::Pending;
  const bool has_it = context.policies.holds(policy, device);
  return {{"address", sysfs::to_string(device.address)},
          {"driver", device.driver ? json(device.driver->text()) : json(nullptr)},
          {"outcome", handoff::name_of(outcome)},
          {"drift", outcome == handoff::PolicyOutcome::InForce && !has_it},
          {"reason", known && !found->second.reason.empty() ? json(found->second.reason) : json(nullptr)},
          {"operation", known && !found->second.operation.empty() ? json("/v1/operations/" + found->second.operation)
                                                                  : json(nullptr)}};
}

json render_policy(const handoff::Policy& policy, json places) {
  json excluded = json::array();
  for (const auto& address : policy.exclude) excluded.push_back(sysfs::to_string(address));
  auto selector = render_selector(policy.selector);
  for (const auto* of_claims : {"count", "label", "labels", "link_speed", "same_switch"}) selector.erase(of_claims);
  return {{"name", policy.name},
          {"selector", std::move(selector)},
          {"driver", policy.driver.text()},
          {"scope", handoff::name_of(policy.scope)},
          {"vfs", policy.vfs ? json(*policy.vfs) : json(nullptr)},
          {"exclude", std::move(excluded)},
          {"labels", policy.labels},
          {"devices", std::move(places)}};
}

std::string places_text(const json& policy) {
  std::string text;
  for (const auto& place : policy["devices"]) {
    text += (text.empty() ? "" : ", ") + plain(place["address"]) + " " + plain(place["outcome"]);
    if (place["drift"])
      text += " (drifted: it has " + (place["driver"].is_null() ? "no driver" : plain(place["driver"])) + " now)";
    if (!place["reason"].is_null()) text += " (" + plain(place["reason"]) + ")";
  }
  return text;
}

const std::vector<Column>& policy_columns() {
  static const std::vector<Column> list = {{"POLICY", [](const json& policy) { return plain(policy["name"]); }},
                                           {"DRIVER", [](const json& policy) { return plain(policy["driver"]); }},
                                           {"DEVICES", places_text}};
  return list;
}

// Of the first policy that is for a device, by the policy's name.
void add_place(Context& context, const sysfs::PciAddress& address, std::map<std::string, json>& places) {
  const auto* device = context.engine.services().inventory.find(address);
  if (device == nullptr) return;  // gone since it was listed
  const auto* policy = context.policies.policy_for(*device);
  if (policy != nullptr) places[policy->name].push_back(render_place(context, *policy, *device));
}

Response policies_response(Context& context, const Request& request, std::map<std::string, json> places) {
  json document = {{"items", json::array()}, {"next_page_token", nullptr}};
  for (const auto& policy : context.policies.policies()) {
    auto& found = places[policy.name];
    document["items"].push_back(render_policy(policy, found.is_null() ? json::array() : std::move(found)));
  }
  return list_response(request, document, policy_columns());
}

}  // namespace

void list_policies(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& [address, device] : (*inventory)->devices()) addresses.push_back(address);
  in_turns(context, request,
           [&context, request, addresses = std::move(addresses), at = std::size_t{0},
            places = std::map<std::string, json>{}, respond = std::move(respond)]() mutable {
             if (at < addresses.size()) {
               add_place(context, addresses[at++], places);
               return true;
             }
             respond(policies_response(context, request, std::move(places)));
             return false;
           });
}

}  // namespace devbindd::api
