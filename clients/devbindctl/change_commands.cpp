// SPDX-License-Identifier: Apache-2.0
// bind, release and sriov.
#include <algorithm>

#include "clients/api/targets.hpp"
#include "clients/devbindctl/change.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

Result<std::vector<Target>> targets_of(Session& session) {
  std::vector<Target> found;
  for (const auto& word : session.options.targets) {
    auto target = target_of(session.daemon, word);
    if (!target) return std::unexpected(target.error());
    found.push_back(std::move(*target));
  }
  return found;
}

// What the API calls the driver; "none" takes the driver away.
json driver_asked(const std::string& name) { return name == "none" ? json() : json(name); }

json item_of(const Target& target, bool whole_group) {
  if (const auto* group = std::get_if<GroupTarget>(&target)) return {{"iommu_group", group->number}};
  json item{{"device", std::get<DeviceTarget>(target).address}};
  if (whole_group) item["scope"] = "group";
  return item;
}

// One device has a resource of its own; several devices, and groups, are changed together or not at all. `each`: what
// is asked of every item of these.
Change bindings_change(const Session& session, const std::vector<Target>& targets, Change of_one, const json& each) {
  auto change = std::move(of_one);
  change.show = [&output = session.output](const json& answer) { show_bindings(output, answer); };
  const auto* device = targets.size() == 1 ? std::get_if<DeviceTarget>(&targets.front()) : nullptr;
  if (device != nullptr) {
    change.target = "/v1/devices/" + device->address + "/binding" + change.target;
    return change;
  }
  change.method = "POST";
  change.target = "/v1/bindings";
  change.body = {{"items", json::array()}};
  for (const auto& target : targets) {
    auto item = item_of(target, session.options.whole_group);
    item.update(each);
    change.body["items"].push_back(std::move(item));
  }
  return change;
}

Change bind_change(const Session& session, const std::vector<Target>& targets) {
  const auto& named = session.options.driver;
  const json driver{{"driver", driver_asked(named.empty() ? "vfio-pci" : named)}};
  Change of_one{
      .method = "PUT", .target = {}, .body = driver, .fields = {}, .danger = {}, .is_operation = true, .show = {}};
  if (session.options.whole_group) of_one.body["scope"] = "group";
  return bindings_change(session, targets, std::move(of_one), driver);
}

Change restore_change(const Session& session, const std::vector<Target>& targets) {
  Change of_one{
      .method = "DELETE", .target = {}, .body = {}, .fields = {}, .danger = {}, .is_operation = true, .show = {}};
  if (session.options.whole_group) of_one.target = "?scope=group";
  return bindings_change(session, targets, std::move(of_one), {{"restore", true}});
}

Outcome end_claim(Session& session, const std::string& id) {
  Change change{.method = "DELETE",
                .target = "/v1/claims/" + id,
                .body = {},
                .fields = {},
                .danger = {},
                .is_operation = false,
                .show = {}};
  if (session.options.when_closed) change.target += "?when_closed=true";
  change.show = [&output = session.output](const json& answer) {
    if (output.format() == Format::Name) return output.write(member(answer, "id") + "\n");
    output.write("The claim " + member(answer, "id") + " is " + member(answer, "state") + ".\n");
    if (!member(answer, "reason").empty() && member(answer, "state") != "released")
      output.write(wrapped(printable(member(answer, "reason")), output.terminal().width) + "\n");
    show_bindings(output, answer);
  };
  return perform(session, change);
}

Result<int> virtual_functions(Session& session, const std::string& address) {
  auto document = session.daemon.document("/v1/devices/" + address + "/sriov");
  if (!document) return std::unexpected(document.error());
  return static_cast<int>((*document)["vfs"].size());
}

Outcome show_sriov(Session& session, const std::string& address) {
  auto answer = session.daemon.get("/v1/devices/" + address + "/sriov");
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (session.output.documents(answers)) return done();
  if (session.output.for_person())
    session.output.write(address + " has " + std::to_string(document["vfs"].size()) + " of " +
                         member(document, "total_vfs") + " virtual functions.\n");
  show_bindings(session.output, document);
  return done();
}

}  // namespace

Outcome bind(Session& session) {
  auto targets = targets_of(session);
  if (!targets) return std::unexpected(targets.error());
  for (const auto& target : *targets)
    if (std::holds_alternative<ClaimTarget>(target))
      return fail("A claim has its drivers already; bind takes devices and IOMMU groups.");
  return perform(session, bind_change(session, *targets));
}

Outcome release(Session& session) {
  auto targets = targets_of(session);
  if (!targets) return std::unexpected(targets.error());
  const auto is_claim = [](const Target& target) { return std::holds_alternative<ClaimTarget>(target); };
  const auto claims = std::ranges::count_if(*targets, is_claim);
  if (claims == 0) return perform(session, restore_change(session, *targets));
  if (static_cast<std::size_t>(claims) != targets->size())
    return fail("Release claims, or devices and groups, and not both at once.");
  auto worst = done(ExitStatus::Done);
  for (const auto& target : *targets) {
    auto outcome = end_claim(session, std::get<ClaimTarget>(target).id);
    if (!outcome) return outcome;
    worst = std::max(*worst, *outcome);
  }
  return worst;
}

Outcome sriov(Session& session) {
  auto address = address_of(session.daemon, session.options.targets.front());
  if (!address) return std::unexpected(address.error());
  const auto& options = session.options;
  if (!options.count) return show_sriov(session, *address);
  Change change{.method = "PUT",
                .target = "/v1/devices/" + *address + "/sriov",
                .body = {{"vfs", *options.count}},
                .fields = {},
                .danger = {},
                .is_operation = true,
                .show = {}};
  if (!options.driver.empty()) change.body["driver"] = driver_asked(options.driver);
  if (options.no_autoprobe) change.body["drivers_autoprobe"] = false;
  auto there = virtual_functions(session, *address);
  if (!there) return std::unexpected(there.error());
  if (*there > 0 && static_cast<std::uint64_t>(*there) != *options.count && !options.dry_run)
    change.danger = "The " + std::to_string(*there) + " virtual functions of " + *address +
                    " go first: a kernel changes their number through 0 alone.";
  change.show = [&output = session.output](const json& answer) {
    if (output.for_person() && answer.contains("vfs") && answer["vfs"].is_array())
      output.tell(member(answer, "address") + " has " + std::to_string(answer["vfs"].size()) + " virtual functions.\n");
    show_bindings(output, answer);
  };
  return perform(session, change);
}

}  // namespace devbindd::clients
