// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/claim_request.hpp"

#include <algorithm>
#include <charconv>

#include "clients/api/names.hpp"
#include "clients/api/targets.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

struct Pair {
  std::string name;
  std::string value;
};

Result<Pair> pair_of(const std::string& word) {
  const auto at = word.find('=');
  if (at == std::string::npos || at == 0) return fail("NAME=VALUE is wanted, and not " + word + ".");
  return Pair{word.substr(0, at), word.substr(at + 1)};
}

// A name that comes again has several values.
void add_value(json& object, const std::string& name, const std::string& value) {
  if (!object.contains(name)) {
    object[name] = value;
    return;
  }
  if (!object[name].is_array()) object[name] = json::array({object[name]});
  object[name].push_back(value);
}

// A number where it is one: users may be given by name or number.
json name_or_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? json(number) : json(text);
}

Result<json> labels_from(const std::vector<std::string>& words) {
  json object = json::object();
  for (const auto& word : words) {
    auto pair = pair_of(word);
    if (!pair) return std::unexpected(pair.error());
    object[pair->name] = pair->value;
  }
  return object;
}

// "vendor=8086,10de,driver=igb": two members, one with two values.
Result<json> selector_from(const std::vector<std::string>& words) {
  json object = json::object();
  for (const auto& word : words)
    for (const auto& part : pairs_in(word)) {
      auto pair = pair_of(part);
      if (!pair) return std::unexpected(pair.error());
      for (std::size_t at = 0; at <= pair->value.size();) {
        const auto end = std::min(pair->value.find(',', at), pair->value.size());
        add_value(object, pair->name, pair->value.substr(at, end - at));
        at = end + 1;
      }
    }
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
  auto selector = selector_from(options.selector);
  if (!selector) return std::unexpected(selector.error());
  if (!options.match_labels.empty()) {
    auto labels = labels_from(options.match_labels);
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
  auto labels = labels_from(options.labels);
  if (!labels) return std::unexpected(labels.error());
  if (!labels->empty()) body["labels"] = *labels;
  return body;
}

}  // namespace devbindd::clients
