// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/change.hpp"

#include "clients/devbindctl/progress.hpp"
#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

Request request_of(const Session& session, const Change& change, const std::vector<std::string>& accepted, bool dry_run,
                   bool in_background) {
  Request request{.method = change.method, .target = change.target, .fields = change.fields, .body = {}};
  const auto add = [&request](const std::string& parameter) {
    request.target += (request.target.contains('?') ? "&" : "?") + parameter;
  };
  if (dry_run) add("dry_run=true");
  request.fields.emplace_back("Prefer",
                              in_background ? "respond-async" : "wait=" + std::to_string(session.options.wait_seconds));
  auto body = change.body;
  if (!body.is_null() && !accepted.empty()) body["accept_risks"] = accepted;
  if (body.is_null())
    for (const auto& code : accepted) add("accept_risks=" + escaped(code));
  if (!body.is_null()) request.body = body.dump();
  return request;
}

std::string plan_text(const json& preview, const Terminal& terminal) {
  std::string out;
  const auto would = member(preview, "would");
  if (would == "nothing") out += "Nothing would be done: it is so already.\n";
  if (would == "refuse") out += toned(terminal, Tone::Bad, "It would be refused") + ":\n";
  for (const auto& reason : preview["refused_by"]) out += evidence_text(reason, terminal);
  if (!preview["steps"].empty())
    out += would == "refuse" ? "Without these reasons this would be done:\n" : "This would be done:\n";
  for (const auto& step : preview["steps"]) out += "  " + printable(step_text(step)) + "\n";
  std::string warnings;
  for (const auto& reason : preview["evidence"]) {
    const auto& by = preview["refused_by"];
    if (std::find(by.begin(), by.end(), reason) == by.end()) warnings += evidence_text(reason, terminal);
  }
  return out + (warnings.empty() ? "" : "Warnings:\n" + warnings);
}

Outcome dry_run(Session& session, const Change& change) {
  auto answer = session.daemon.ask(request_of(session, change, session.options.accept, true, false));
  if (!answer) return std::unexpected(answer.error());
  const auto preview = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (!session.output.documents(answers)) session.output.write(plan_text(preview, session.output.terminal()));
  const auto would = member(preview, "would");
  return done(would == "refuse"    ? ExitStatus::Refused
              : would == "nothing" ? ExitStatus::NothingToDo
                                   : ExitStatus::Done);
}

// The reasons that a change would go ahead against, for the question whether it should.
std::string accepted_reasons(Session& session, const Change& change) {
  auto answer = session.daemon.ask(request_of(session, change, session.options.accept, true, false));
  if (!answer) return {};
  const auto preview = parsed(answer->body);
  std::string text;
  for (const auto& reason : preview.value("evidence", json::array()))
    if (member(reason, "severity") == "block") text += evidence_text(reason, session.output.error_terminal());
  return text;
}

Result<void> agreed(Session& session, const Change& change) {
  if (session.options.yes || (session.options.accept.empty() && change.danger.empty())) return {};
  std::string reasons = change.danger.empty() ? "" : "  " + change.danger + "\n";
  if (!session.options.accept.empty()) reasons += accepted_reasons(session, change);
  if (reasons.empty()) return {};
  if (!session.output.can_ask())
    return std::unexpected(
        Failure{.status = ExitStatus::Refused,
                .text = "This is dangerous, and nobody can be asked here: say --yes to do it.\n" + reasons,
                .body = {}});
  session.output.tell(reasons);
  if (session.output.asks("Go on?")) return {};
  return std::unexpected(Failure{.status = ExitStatus::Refused, .text = "Nothing was changed.", .body = {}});
}

// The codes that a refusal could be overridden by; empty where one of its reasons cannot.
std::vector<std::string> acceptable(const json& problem) {
  std::vector<std::string> codes;
  if (member(problem, "code") != "refused") return {};
  for (const auto& blocker : problem.value("blockers", json::array())) {
    if (!blocker.value("acceptable", false)) return {};
    codes.push_back(member(blocker, "code"));
  }
  return codes;
}

// The codes that the person at the terminal has just accepted, besides those that were accepted before.
std::vector<std::string> accepted_by_person(Session& session, const Failure& refusal) {
  if (!session.output.can_ask() || !session.output.for_person()) return {};
  const auto problem = parsed(refusal.body);
  auto codes = acceptable(problem);
  if (codes.empty()) return {};
  session.output.tell(problem_text(problem, session.output.error_terminal()));
  if (!session.output.asks("Accept these risks and go on?")) return {};
  codes.insert(codes.begin(), session.options.accept.begin(), session.options.accept.end());
  return codes;
}

Outcome finished(Session& session, const Change& change, Answer answer) {
  auto value = parsed(answer.body);
  const auto status = answer.status;
  std::vector<Answer> answers;
  answers.push_back(std::move(answer));
  const bool shown = session.output.documents(answers);
  if (status == 202) {
    session.output.tell(
        (change.is_operation ? waiting_text : waiting_claim_text)(value, session.output.error_terminal()));
    return done(ExitStatus::Blocked);
  }
  const bool nothing = value.contains("changed") && value["changed"] == false;
  if (!shown) change.show(value);
  if (nothing && session.output.for_person()) session.output.tell("Nothing to do: it was so already.\n");
  return done(nothing ? ExitStatus::NothingToDo : ExitStatus::Done);
}

}  // namespace

Outcome perform(Session& session, const Change& change) {
  if (session.options.dry_run) return dry_run(session, change);
  if (auto yes = agreed(session, change); !yes) return std::unexpected(yes.error());
  const bool step_by_step = change.is_operation && session.output.for_person() && shows_progress(session);
  auto answer = session.daemon.ask(request_of(session, change, session.options.accept, false, step_by_step));
  if (!answer) {
    const auto accepted = accepted_by_person(session, answer.error());
    if (accepted.empty()) return std::unexpected(answer.error());
    answer = session.daemon.ask(request_of(session, change, accepted, false, step_by_step));
    if (!answer) return std::unexpected(answer.error());
  }
  if (!step_by_step || answer->status != 202) return finished(session, change, std::move(*answer));
  auto over = follow_operation(session, parsed(answer->body));
  if (!over) return std::unexpected(over.error());
  if (*over != ExitStatus::Done) return done(*over);
  auto state = state_after(session, parsed(answer->body));
  if (!state) return std::unexpected(state.error());
  change.show(*state);
  return done();
}

void show_bindings(const Output& output, const json& answer) {
  static const std::vector<Column> columns{member_column("ADDRESS", "address"),
                                           member_column("DRIVER", "driver"),
                                           member_column("GROUP", "iommu_group"),
                                           {"WAS",
                                            [](const json& item) {
                                              return item.contains("original") && item["original"].is_object() &&
                                                             member(item, "original.driver").empty()
                                                         ? "none"
                                                         : member(item, "original.driver");
                                            },
                                            {}},
                                           {"NODE",
                                            [](const json& item) {
                                              const auto group = member(item, "nodes.group.path");
                                              return group.empty() ? member(item, "nodes.device.path") : group;
                                            },
                                            {}}};
  auto devices = answer.value("devices", json::array());
  if (devices.empty() && answer.contains("vfs")) devices = answer["vfs"];
  if (devices.empty()) return;
  output.items(devices, {.columns = columns,
                         .wide = {member_column("OVERRIDE", "driver_override"),
                                  member_column("DEVICE NODE", "nodes.device.path")},
                         .name = "address"});
}

}  // namespace devbindd::clients
