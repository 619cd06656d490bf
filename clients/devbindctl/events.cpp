// SPDX-License-Identifier: Apache-2.0
// events: what changes on the host, as it changes.
#include <nlohmann/json.hpp>

#include "clients/api/targets.hpp"
#include "clients/devbindctl/session.hpp"
#include "clients/text/yaml.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// What has become of what, for a person.
std::string what_of(const json& event) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : " ") + part;
  };
  add(member(event, "devices"));
  if (event.contains("changes") && event["changes"].is_object())
    for (const auto& [name, change] : event["changes"].items())
      add(name + " " + (member(change, "from").empty() ? "none" : member(change, "from")) + " -> " +
          (member(change, "to").empty() ? "none" : member(change, "to")));
  add(member(event, "state"));
  if (event.contains("progress") && event["progress"].is_object())
    add(member(event, "progress.steps_done") + "/" + member(event, "progress.steps"));
  add(member(event, "claim"));
  if (member(event, "kind") == "operation.changed") add(member(event, "operation"));
  return text;
}

void show_event(const Output& output, const std::string& line) {
  if (output.format() == Format::Json) return output.write(line + "\n");
  const auto event = parsed(line);
  if (output.format() == Format::Yaml) return output.write("---\n" + yaml(event));
  if (output.format() == Format::Name) return output.write(member(event, "id") + "\n");
  const auto kind = member(event, "kind");
  output.write(member(event, "at") + "  " + kind + std::string(kind.size() < 18 ? 18 - kind.size() : 0, ' ') + "  " +
               printable(what_of(event)) + "\n");
}

Result<std::string> target_of_stream(Session& session) {
  std::string target = "/v1/events";
  const auto add = [&target](const std::string& name, const std::string& value) {
    target += (target.contains('?') ? "&" : "?") + name + "=" + escaped(value);
  };
  for (const auto& word : session.options.targets) {
    auto found = target_of(session.daemon, word);
    if (!found) return std::unexpected(found.error());
    if (const auto* device = std::get_if<DeviceTarget>(&*found)) add("device", device->address);
    if (const auto* group = std::get_if<GroupTarget>(&*found)) add("iommu_group", std::to_string(group->number));
    if (const auto* claim = std::get_if<ClaimTarget>(&*found)) add("claim", claim->id);
  }
  for (const auto& kind : session.options.kinds) add("kind", kind);
  if (!session.options.since.empty()) add("since", session.options.since);
  return target;
}

}  // namespace

Outcome events(Session& session) {
  auto target = target_of_stream(session);
  if (!target) return std::unexpected(target.error());
  std::string unread;
  std::uint64_t shown = 0;
  const auto take = [&](std::string_view part) {
    unread += part;
    for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
      const auto line = unread.substr(0, end);
      unread.erase(0, end + 1);
      if (line.empty()) continue;
      show_event(session.output, line);
      if (session.options.count && ++shown >= *session.options.count) return false;
    }
    return true;
  };
  const Request request{.method = "GET", .target = *target, .fields = {{"Accept", "application/x-ndjson"}}, .body = {}};
  auto over = session.daemon.follow(request, take);
  if (!over) return std::unexpected(over.error());
  return done();
}

}  // namespace devbindd::clients
