// SPDX-License-Identifier: Apache-2.0
// show, doctor and whoami: one thing each.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "clients/api/names.hpp"
#include "clients/api/targets.hpp"
#include "clients/devbindctl/session.hpp"
#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

constexpr std::size_t label_width = 14;

// Lines "Label        text", the text broken to the width of the terminal.
class Sheet {
 public:
  explicit Sheet(const Output& output) : output_(output) {}

  void title(const std::string& text) const {
    output_.write(toned(output_.terminal(), Tone::Strong, printable(text)) + "\n");
  }

  /// A line, unless its text is empty.
  void line(const std::string& label, const std::string& text, Tone tone = Tone::Plain) const {
    if (text.empty()) return;
    const auto& terminal = output_.terminal();
    output_.write("  " + label + std::string(label_width - label.size(), ' ') +
                  toned(terminal, tone, wrapped(printable(text), terminal.width, label_width + 2, label_width + 2)) +
                  "\n");
  }

 private:
  const Output& output_;
};

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

std::string titled(const json& device) {
  const auto name = member(device, "device_name");
  const auto vendor = member(device, "vendor_name");
  return member(device, "address") + "  " + (name.empty() ? member(device, "class_name") : name) +
         (vendor.empty() ? "" : " (" + vendor + ")") + " [" + member(device, "vendor") + ":" +
         member(device, "device") + "]";
}

std::string listed(const json& device, const char* name) {
  std::string text;
  for (const auto& item : device.value(name, json::array())) text += (text.empty() ? "" : ", ") + plain(item);
  return text;
}

std::string driver_line(const json& device) {
  auto text = or_none(member(device, "driver"));
  if (!member(device, "driver_override").empty())
    text += ", driver_override " + member(device, "driver_override") + " (set by " +
            member(device, "driver_override_set_by") + ")";
  if (const auto candidates = listed(device, "candidates"); !candidates.empty()) text += "; fits: " + candidates;
  return text;
}

std::string managers(const json& device) {
  std::string text;
  for (const auto& item : device.value("managed_by", json::array()))
    text += (text.empty() ? "" : ", ") + member(item, "tool") + " (" + member(item, "subject") + ", " +
            member(item, "path") + ")";
  return text;
}

void show_use(const Output& output, const json& usage) {
  const auto& evidence = usage["evidence"];
  if (evidence.empty()) return output.write("  Used by       nothing that was seen\n");
  output.write("  Used by\n");
  for (const auto& reason : evidence) output.write(evidence_text(reason, output.terminal()));
}

void show_device(const Output& output, const json& device, const json& usage) {
  const Sheet sheet(output);
  sheet.title(titled(device));
  sheet.line("Driver", driver_line(device), device.value("vfio_bound", false) ? Tone::Good : Tone::Plain);
  sheet.line("IOMMU group", or_none(member(device, "iommu_group")));
  sheet.line("Interfaces", listed(device, "interfaces"));
  std::string children;
  for (const auto& child : device.value("children", json::array()))
    children += (children.empty() ? "" : ", ") + member(child, "name");
  sheet.line("Made of it", children);
  sheet.line("Group node", member(device, "nodes.group.path"));
  sheet.line("Device node", member(device, "nodes.device.path"));
  if (device.contains("original") && device["original"].is_object())
    sheet.line("Given back", "to " + or_none(member(device, "original.driver")) + " by: devbindctl release " +
                                 member(device, "address"));
  sheet.line("Claim", member(device, "claim"));
  sheet.line("Operation", member(device, "operation"));
  sheet.line("Cordon", member(device, "cordon.reason"));
  sheet.line("Managed by", managers(device));
  sheet.line("NUMA node", member(device, "numa_node"));
  sheet.line("Slot", member(device, "slot"));
  sheet.line("Serial", member(device, "device_serial_number"));
  sheet.line("VFs", member(device, "sriov_totalvfs").empty()
                        ? ""
                        : std::to_string(device["virtfns"].size()) + " of " + member(device, "sriov_totalvfs"));
  sheet.line("VF of", member(device, "physfn"));
  sheet.line("Resets", listed(device, "reset_methods"));
  show_use(output, usage);
}

void show_group(const Output& output, const json& group) {
  const Sheet sheet(output);
  const bool viable = group.value("viable", false);
  sheet.title("IOMMU group " + member(group, "iommu_group"));
  sheet.line("Viable", viable ? "yes" : "no", viable ? Tone::Good : Tone::Warning);
  for (const auto& blocker : group["blockers"])
    sheet.line("Kept by", member(blocker, "address") + " (" + or_none(member(blocker, "driver")) +
                              "): " + member(blocker, "reason"));
  sheet.line("Refused", member(group, "refused_because"), Tone::Bad);
  sheet.line("Node", member(group, "node.path"));
  sheet.line("Type", member(group, "type"));
  for (const auto& reason : group.value("merged_by", json::array()))
    sheet.line("Why so large", member(reason, "detail"));
  sheet.line("Open by", holders_text(group.value("processes", json::array())));
  output.items(group["members"],
               {.columns = {member_column("ADDRESS", "address"),
                            member_column("DRIVER", "driver"),
                            {"BRIDGE", [](const json& item) { return item.value("bridge", false) ? "yes" : ""; }, {}}},
                .wide = {},
                .name = "address"});
}

void show_claim(const Output& output, const json& claim) {
  const Sheet sheet(output);
  sheet.title("Claim " + member(claim, "id"));
  sheet.line("State", member(claim, "state"));
  sheet.line("Reason", member(claim, "reason"));
  sheet.line("Expires", member(claim, "expires_at"));
  sheet.line("Users", member(claim, "request.owner.users"));
  sheet.line("Groups", member(claim, "request.owner.groups"));
  sheet.line("Fencing token", member(claim, "fencing_token"));
  sheet.line("Still open by", holders_text(claim.value("holders", json::array())));
  output.items(claim["devices"], {.columns = {member_column("ADDRESS", "address"), member_column("DRIVER", "driver"),
                                              member_column("GROUP", "iommu_group"), member_column("RESET", "reset"),
                                              member_column("NODE", "nodes.group.path")},
                                  .wide = {member_column("DEVICE NODE", "nodes.device.path")},
                                  .name = "address"});
}

void show_operation(const Output& output, const json& operation) {
  const Sheet sheet(output);
  sheet.title("Operation " + member(operation, "id"));
  sheet.line("Kind", member(operation, "kind"));
  sheet.line("State", member(operation, "state"));
  sheet.line("Began", member(operation, "created_at"));
  sheet.line("Ended", member(operation, "finished_at"));
  output.items(operation["steps"],
               {.columns = {member_column("STEP", "state"), {"WRITE", step_text, {}}}, .wide = {}, .name = "path"});
  if (operation["error"].is_object()) output.write(problem_text(operation["error"], output.terminal()));
  if (member(operation, "state") == "blocked") output.write(waiting_text(operation, output.terminal()));
}

using Show = void (*)(const Output&, const json&);

Outcome show_path(Session& session, const std::string& path, const std::string& name, Show show) {
  auto answer = session.daemon.get(path);
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (session.output.documents(answers)) return done();
  if (session.output.format() == Format::Name)
    session.output.write(member(document, name) + "\n");
  else
    show(session.output, document);
  return done();
}

Outcome show_device_path(Session& session, const std::string& address) {
  const auto path = "/v1/devices/" + address;
  json usage = json::object();
  if (session.output.for_person()) {
    auto found = session.daemon.document(path + "/usage");
    if (!found) return std::unexpected(found.error());
    usage = std::move(*found);
  }
  auto answer = session.daemon.get(path);
  if (!answer) return std::unexpected(answer.error());
  const auto device = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (session.output.documents(answers)) return done();
  if (session.output.format() == Format::Name)
    session.output.write(address + "\n");
  else
    show_device(session.output, device, usage);
  return done();
}

Outcome show_operation_named(Session& session, const std::string& word) {
  auto id = whole_operation_id(session.daemon, word);
  if (!id) return std::unexpected(id.error());
  return show_path(session, "/v1/operations/" + *id, "id", show_operation);
}

Outcome show_word(Session& session, const std::string& word) {
  const bool is_operation = session.options.command == "operations" || word.starts_with("/v1/operations/");
  if (is_operation) return show_operation_named(session, word);
  auto target = target_of(session.daemon, word);
  if (!target) return std::unexpected(target.error());
  if (const auto* group = std::get_if<GroupTarget>(&*target))
    return show_path(session, "/v1/iommu-groups/" + std::to_string(group->number), "iommu_group", show_group);
  if (const auto* claim = std::get_if<ClaimTarget>(&*target))
    return show_path(session, "/v1/claims/" + claim->id, "id", show_claim);
  return show_device_path(session, std::get<DeviceTarget>(*target).address);
}

void show_check(const Output& output, const json& check) {
  const auto verdict = member(check, "verdict");
  const auto tone = verdict == "pass" ? Tone::Good : verdict == "warn" ? Tone::Warning : Tone::Bad;
  const auto& terminal = output.terminal();
  output.write(toned(terminal, tone,
                     verdict == "pass"   ? "[ ok ]"
                     : verdict == "warn" ? "[warn]"
                                         : "[FAIL]") +
               " " + printable(member(check, "title")) + "\n" + "       " +
               wrapped(printable(member(check, "detail")), terminal.width, 7, 7) + "\n");
  const auto next = member(check, "next_step");
  if (!next.empty()) output.write("       -> " + wrapped(printable(next), terminal.width, 10, 10) + "\n");
}

std::string joined(const json& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ", ") + plain(item);
  return text;
}

std::string all_or(const json& list) { return list.is_null() ? "all" : or_none(joined(list)); }

std::string limit_line(const json& limit, const std::string& what) {
  const auto most = member(limit, "most");
  return "  " + what + ": " + member(limit, "used") + " now, " + (most.empty() ? "no limit" : "at most " + most) + "\n";
}

// What somebody may do with devices is of interest only where he may do something.
std::string bounds_text(const json& document) {
  const auto& rights = document["rights"];
  const auto has = [&rights](const char* right) { return std::ranges::find(rights, json(right)) != rights.end(); };
  if (!has("claim") && !has("operate")) return {};
  const auto limits = document.value("limits", json::object());
  return "  Devices: " + printable(all_or(document["devices"])) +
         "\n  Drivers: " + printable(all_or(document["drivers"])) +
         "\n  Risks that may be accepted: " + printable(all_or(document["risks"])) +
         "\n  Owners of claims: " + member(document, "owners") + "\n" +
         limit_line(limits.value("claims", json::object()), "Claims") +
         limit_line(limits.value("devices", json::object()), "Devices in claims");
}

std::string who_text(const json& document) {
  const auto uid = member(document, "uid");
  std::string who = "somebody over TCP";
  if (!uid.empty()) who = "user " + or_none(member(document, "user")) + " (uid " + uid + ")";
  if (const auto name = member(document, "certificate"); !name.empty()) who = "the holder of the certificate " + name;
  if (const auto token = member(document, "token"); !token.empty()) who = "the bearer of the token " + token;
  std::string groups;
  for (const auto& group : document.value("groups", json::array())) {
    const auto name = member(group, "name");
    groups += (groups.empty() ? "" : ", ") + (name.empty() ? member(group, "gid") : name);
  }
  return "You are " + printable(who) + (groups.empty() ? "" : ", groups " + printable(groups)) +
         ".\n  Role: " + member(document, "role") + ", by " + printable(member(document, "granted_by")) +
         "\n  Rights: " + joined(document["rights"]) + "\n" + bounds_text(document);
}

}  // namespace

Outcome show(Session& session) {
  for (const auto& word : session.options.targets)
    if (auto outcome = show_word(session, word); !outcome) return outcome;
  return done();
}

Outcome doctor(Session& session) {
  auto answer = session.daemon.get("/v1/doctor");
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (!session.output.documents(answers))
    for (const auto& check : document["checks"]) {
      if (session.output.format() == Format::Name)
        session.output.write(member(check, "id") + "\n");
      else
        show_check(session.output, check);
    }
  return done(member(document, "verdict") == "fail" ? ExitStatus::Error : ExitStatus::Done);
}

Outcome whoami(Session& session) {
  auto answer = session.daemon.get("/v1/whoami");
  if (!answer && parsed(answer.error().body).value("code", "") == "not_found")
    return fail(
        "This daemon is too old to say who you are to it: it has no /v1/whoami. `devbindctl --version` has the version "
        "of this program.");
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (session.output.documents(answers)) return done();
  session.output.write(who_text(document));
  return done();
}

}  // namespace devbindd::clients
