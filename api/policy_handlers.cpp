#include <nlohmann/json.hpp>

#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"
#include "api/render_claim.hpp"
#include "api/text_table.hpp"

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

json render_policy(Context& context, const sysfs::Inventory& inventory, const handoff::Policy& policy) {
  json places = json::array();
  for (const auto& [address, device] : inventory.devices()) {
    if (context.policies.policy_for(device) == &policy) places.push_back(render_place(context, policy, device));
  }
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
    if (place["drift"]) text += " (drift: " + (place["driver"].is_null() ? "no driver" : plain(place["driver"])) + ")";
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

}  // namespace

void list_policies(Context& context, const Request& request, const PathArguments&, Respond respond) {
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  json document = {{"items", json::array()}, {"next_page_token", nullptr}};
  for (const auto& policy : context.policies.policies())
    document["items"].push_back(render_policy(context, **inventory, policy));
  respond(list_response(request, document, policy_columns()));
}

}  // namespace devbindd::api
