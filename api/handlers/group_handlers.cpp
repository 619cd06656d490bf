// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/context/aside.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/json.hpp"
#include "sysfs/device/isolation.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t most_functions = 64;  // of a group whose configuration spaces are read to explain it

std::optional<unsigned> group_number(const std::string& text) {
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  return leading_zero ? std::nullopt : sysfs::number_from<unsigned>(text);
}

const std::vector<Column>& group_columns() {
  static const std::vector<Column> list = {
      {"GROUP", [](const json& group) { return plain(group["iommu_group"]); }},
      {"TYPE", [](const json& group) { return plain(group["type"]); }},
      {"VIABLE", [](const json& group) { return std::string(group["viable"] ? "yes" : "no"); }},
      {"NODE", [](const json& group) { return group["node"].is_null() ? "" : plain(group["node"]["path"]); }},
      {"MEMBERS (driver; * keeps VFIO out)", [](const json& group) {
         std::string text;
         for (const auto& member : group["members"]) {
           const auto driver = plain(member["driver"]);
           text += (text.empty() ? "" : ", ") + plain(member["address"]) + " (" + (driver.empty() ? "none" : driver) +
                   ")" + (member["blocks_viability"] ? "*" : "");
         }
         return text;
       }}};
  return list;
}

json render_merge(const sysfs::Merge& merge) {
  json members = json::array();
  for (const auto& address : merge.members) members.push_back(sysfs::to_string(address));
  return {{"kind", sysfs::name_of(merge.kind)},
          {"bridge", merge.culprit ? json(sysfs::to_string(*merge.culprit)) : json(nullptr)},
          {"members", std::move(members)},
          {"acs_missing", merge.missing},
          {"detail", sysfs::explanation_of(merge)}};
}

json render_merges(const std::vector<sysfs::Device>& members, const handoff::ConfigReader::Answers& answers) {
  std::map<sysfs::PciAddress, sysfs::ConfigSpace> configs;
  for (const auto& [address, answer] : answers) {
    if (answer) configs.emplace(address, *answer);
  }
  json list = json::array();
  for (const auto& merge : sysfs::merges_in(members, configs)) list.push_back(render_merge(merge));
  return list;
}

// What takes workers: the configuration spaces that explain the group, and who has it open.
struct GroupParts {
  std::vector<sysfs::Device> members;
  handoff::ConfigReader::Answers configs;
  std::vector<vfio::Holder> holders;
  std::optional<std::string> holders_error;
  std::vector<std::string> fields;  ///< that the answer is to have
  std::size_t waiting = 0;
};

Response group_response(Context& context, const Request& request, unsigned number, const GroupParts& parts) {
  auto group = sysfs::read_iommu_group(context.engine.services().tree, number);
  if (!group) return problem_of(request, group.error());
  auto document = render_group(context, *group);
  if (!document) return problem_of(request, document.error());
  (*document)["merged_by"] = render_merges(parts.members, parts.configs);
  json processes = json::array();
  for (const auto& holder : parts.holders) processes.push_back(handoff::to_json(holder));
  (*document)["processes"] = std::move(processes);
  (*document)["processes_error"] = parts.holders_error ? json(*parts.holders_error) : json(nullptr);
  if (wants_text(request)) return list_response(request, {{"items", json::array({*document})}}, group_columns());
  if (auto refusal = keep_fields(request, parts.fields, *document)) return std::move(*refusal);
  return json_response(*document);
}

// One search of /proc for all members that a process can have open.
void find_holders(Context& context, const Request& request, const std::shared_ptr<GroupParts>& parts,
                  const std::function<void()>& arrived) {
  auto bound = parts->members;
  std::erase_if(bound, [](const sysfs::Device& member) { return !sysfs::is_vfio_bound(member); });
  context.engine.readers().find_holders(bound, asker_of(request.requester),
                                        [parts, arrived](const std::vector<handoff::HoldersAnswer>& answers) {
                                          for (const auto& holders : answers) {
                                            if (!holders) parts->holders_error = holders.error().message;
                                            for (const auto& holder : holders.value_or(std::vector<vfio::Holder>{})) {
                                              if (std::ranges::find(parts->holders, holder) == parts->holders.end())
                                                parts->holders.push_back(holder);
                                            }
                                          }
                                          arrived();
                                        });
}

sysfs::Result<std::optional<json>> group_item(Context& context, const std::string& key) {
  auto group = sysfs::read_iommu_group(context.engine.services().tree, sysfs::number_from<unsigned>(key).value_or(0));
  if (!group && group.error().code == sysfs::ErrorCode::GroupNotFound) return std::nullopt;
  if (!group) return std::unexpected(group.error());
  auto rendered = render_group(context, *group);
  if (!rendered) return std::unexpected(rendered.error());
  return std::optional(std::move(*rendered));
}

}  // namespace

void list_iommu_groups(Context& context, const Request& request, const PathArguments&, Respond respond) {
  auto wanted = only_paging(request);
  if (!wanted) return respond(std::move(wanted.error()));
  if (auto inventory = context.engine.current(); !inventory) return respond(problem_of(request, inventory.error()));
  const auto work = [&tree = context.engine.services().tree] { return sysfs::list_iommu_groups(tree); };
  aside(context, request, work,
        [&context, request, wanted = std::move(*wanted),
         respond = std::move(respond)](sysfs::Result<std::vector<unsigned>> numbers) mutable {
          if (!numbers) return respond(problem_of(request, numbers.error()));
          Listing listing{.keys = {},
                          .render = [&context](const std::string& key) { return group_item(context, key); },
                          .columns = group_columns()};
          for (const auto number : *numbers) listing.keys.push_back(std::to_string(number));
          answer_list(context, request, std::move(listing), std::move(wanted), std::move(respond));
        });
}

void get_iommu_group(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  const auto number = group_number(arguments[0]);
  Mistakes mistakes;
  if (!number) mistakes.add("invalid_value", "{number}", "an IOMMU group is named by its number");
  QueryReader query(request.query, mistakes);
  const auto fields = fields_parameter(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto inventory = context.engine.current();
  if (!inventory) return respond(problem_of(request, inventory.error()));
  if (auto group = sysfs::read_iommu_group(context.engine.services().tree, *number); !group)
    return respond(problem_of(request, group.error()));
  const auto parts = std::make_shared<GroupParts>();
  parts->members = (*inventory)->group_members(*number);
  auto involved =
      parts->members.size() > 1 ? sysfs::functions_involved(parts->members) : std::vector<sysfs::PciAddress>{};
  if (involved.size() > most_functions) involved.resize(most_functions);
  parts->waiting = 2;
  parts->fields = fields;
  const std::function<void()> arrived = [&context, request, number = *number, parts, respond] {
    if (--parts->waiting == 0) respond(group_response(context, request, number, *parts));
  };
  find_holders(context, request, parts, arrived);
  context.engine.readers().configs().read_all(involved, asker_of(request.requester),
                                              [parts, arrived](handoff::ConfigReader::Answers answers) {
                                                parts->configs = std::move(answers);
                                                arrived();
                                              });
}

}  // namespace devbindd::api
