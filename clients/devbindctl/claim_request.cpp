// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/claim_request.hpp"

#include <algorithm>
#include <charconv>

#include "clients/api/targets.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// Adds name=value; a name that comes again has several values.
Result<void> add_pair(json& object, const std::string& pair, bool several) {
  const auto at = pair.find('=');
  if (at == std::string::npos || at == 0) return fail("NAME=VALUE is wanted, and not " + pair + ".");
  const auto name = pair.substr(0, at);
  const auto value = pair.substr(at + 1);
  if (!several || !object.contains(name)) {
    object[name] = value;
    return {};
  }
  if (!object[name].is_array()) object[name] = json::array({object[name]});
  object[name].push_back(value);
  return {};
}

// A number where it is one: users may be given by name or number.
json name_or_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? json(number) : json(text);
}

Result<json> pairs(const std::vector<std::string>& words, bool several) {
  json object = json::object();
  for (const auto& word : words)
    if (auto added = add_pair(object, word, several); !added) return std::unexpected(added.error());
  return object;
}

Result<void> add_devices(Session& session, json& body) {
  body["devices"] = json::array();
  for (const auto& word : session.options.targets) {
    auto address = address_of(session.daemon, word);
    if (!address) return std::unexpected(address.error());
    body["devices"].push_back(*address);
  }
  return {};
}

Result<void> add_selector(Session& session, json& body) {
  const auto& options = session.options;
  auto selector = pairs(options.selector, true);
  if (!selector) return std::unexpected(selector.error());
  if (!options.match_labels.empty()) {
    auto labels = pairs(options.match_labels, false);
    if (!labels) return std::unexpected(labels.error());
    (*selector)["labels"] = *labels;
  }
  if (options.count) (*selector)["count"] = *options.count;
  body["selector"] = *selector;
  return {};
}

void add_owner(const Options& options, json& body) {
  if (options.users.empty() && options.groups.empty()) return;
  body["owner"] = json::object();
  for (const auto& name : options.users) body["owner"]["users"].push_back(name_or_number(name));
  for (const auto& name : options.groups) body["owner"]["groups"].push_back(name_or_number(name));
}

}  // namespace

Result<json> claim_request(Session& session) {
  const auto& options = session.options;
  const bool selects = !options.selector.empty() || !options.match_labels.empty();
  if (selects != options.targets.empty())
    return fail(selects ? "Name devices, or select them, and not both."
                        : "Name the devices, or select them: --select vendor=8086 --select device=10d3");
  json body = json::object();
  auto added = selects ? add_selector(session, body) : add_devices(session, body);
  if (!added) return std::unexpected(added.error());
  add_owner(options, body);
  if (!options.driver.empty()) body["driver"] = options.driver;
  if (options.ttl_seconds) body["ttl_seconds"] = *options.ttl_seconds;
  if (options.grace_seconds) body["grace_seconds"] = *options.grace_seconds;
  if (options.pid) body["pid"] = *options.pid;
  if (!options.reset.empty()) body["reset"] = options.reset;
  if (options.keep) body["restore"] = false;
  auto labels = pairs(options.labels, false);
  if (!labels) return std::unexpected(labels.error());
  if (!labels->empty()) body["labels"] = *labels;
  return body;
}

}  // namespace devbindd::clients
