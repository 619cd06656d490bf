// SPDX-License-Identifier: Apache-2.0
// claim, renew and handover.
#include "clients/api/targets.hpp"
#include "clients/devbindctl/change.hpp"
#include "clients/devbindctl/claim_request.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

void show_claim_made(const Output& output, const json& claim) {
  if (output.format() == Format::Name) return output.write(member(claim, "id") + "\n");
  const auto expires = member(claim, "expires_at");
  const auto line = "Claim " + member(claim, "id") + " is " + member(claim, "state") +
                    (expires.empty() ? "; it ends with: devbindctl release " + member(claim, "id").substr(0, 8)
                                     : " until " + expires) +
                    ".";
  output.write(wrapped(line, output.terminal().width) + "\n");
  show_bindings(output, claim);
}

}  // namespace

Outcome claim(Session& session) {
  auto body = claim_request(session);
  if (!body) return std::unexpected(body.error());
  Change change{.method = "POST",
                .target = "/v1/claims",
                .body = *body,
                .fields = {},
                .danger = {},
                .is_operation = false,
                .show = {}};
  change.show = [&output = session.output](const json& answer) { show_claim_made(output, answer); };
  return perform(session, change);
}

Outcome renew(Session& session) {
  auto id = whole_claim_id(session.daemon, session.options.targets.front());
  if (!id) return std::unexpected(id.error());
  json body = json::object();
  if (session.options.ttl_seconds) body["ttl_seconds"] = *session.options.ttl_seconds;
  auto answer = session.daemon.ask(
      {.method = "POST", .target = "/v1/claims/" + *id + "/renew", .fields = {}, .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (!session.output.documents(answers)) show_claim_made(session.output, document);
  return done();
}

Outcome handover(Session& session) {
  auto id = whole_claim_id(session.daemon, session.options.targets.front());
  if (!id) return std::unexpected(id.error());
  std::string target = "/v1/claims/" + *id + "/handover?format=" +
                       escaped(session.options.handover.empty() ? "env" : session.options.handover);
  if (!session.options.backend.empty()) target += "&backend=" + escaped(session.options.backend);
  auto answer = session.daemon.get(target);
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  const bool is_command = session.output.for_person() && document.is_object() && document.contains("arguments");
  std::string line;
  if (is_command)
    for (const auto& argument : document["arguments"]) line += (line.empty() ? "" : " ") + plain(argument);
  session.output.write(is_command ? line + "\n" : answer->body);
  return done();
}

}  // namespace devbindd::clients
