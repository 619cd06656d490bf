// SPDX-License-Identifier: Apache-2.0
// run: a command that has devices for as long as it runs.
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "clients/devbindctl/change.hpp"
#include "clients/devbindctl/child.hpp"
#include "clients/devbindctl/claim_request.hpp"
#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

Result<json> ask_memlock(Session& session, const std::string& claim, pid_t pid, bool raise) {
  json body{{"pid", pid}, {"dma_memory_bytes", *session.options.dma_memory}, {"raise", raise}};
  if (session.options.descriptors == "group" || session.options.descriptors == "cdev")
    body["way"] = session.options.descriptors;
  auto answer = session.daemon.ask(
      {.method = "POST", .target = "/v1/claims/" + claim + "/memlock", .fields = {}, .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  return parsed(answer->body);
}

// Lets the command lock as much memory as it maps: by this process where it may, else by the daemon.
Result<void> raise_memlock(Session& session, const std::string& claim, pid_t pid) {
  if (!session.options.dma_memory) return {};
  auto answer = ask_memlock(session, claim, pid, false);
  if (!answer) return std::unexpected(answer.error());
  if (answer->value("suffices", false)) return {};
  const auto needed = answer->value("needed_bytes", rlim_t{0});
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_MEMLOCK, nullptr, &limit) == 0) {
    limit.rlim_cur = needed;
    limit.rlim_max = std::max(limit.rlim_max, needed);
    if (::prlimit(pid, RLIMIT_MEMLOCK, &limit, nullptr) == 0) return {};
  }
  answer = ask_memlock(session, claim, pid, true);
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<json> make_claim(Session& session, json body, pid_t pid) {
  body["pid"] = pid;
  if (!session.options.accept.empty()) body["accept_risks"] = session.options.accept;
  auto answer = session.daemon.ask({.method = "POST",
                                    .target = "/v1/claims",
                                    .fields = {{"Prefer", "wait=" + std::to_string(session.options.wait_seconds)}},
                                    .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  if (answer->status != 202) return document;
  return std::unexpected(Failure{.status = ExitStatus::Blocked,
                                 .text = waiting_claim_text(document, session.output.error_terminal()),
                                 .body = {}});
}

// What has become of the devices, where that is not what everybody expects.
void give_back(Session& session, const std::string& claim) {
  Daemon daemon(session.options.socket);
  auto answer = daemon.ask({.method = "DELETE",
                            .target = "/v1/claims/" + claim + "?when_closed=true",
                            .fields = {{"Prefer", "wait=" + std::to_string(session.options.wait_seconds)}},
                            .body = {}});
  const auto& terminal = session.output.error_terminal();
  if (!answer)
    return session.output.tell("devbindctl: the claim " + claim + " was not ended: " + answer.error().text + "\n");
  const auto document = parsed(answer->body);
  const auto state = member(document, "state");
  if (state == "releasing") session.output.tell("devbindctl: " + waiting_claim_text(document, terminal));
  if (state == "quarantined" || state == "lost")
    session.output.tell("devbindctl: the claim " + claim + " is " + state + ": " +
                        printable(member(document, "reason")) + "\n");
}

}  // namespace

Outcome run(Session& session) {
  if (session.options.child.empty())
    return fail("No command was named. It stands behind two dashes: devbindctl run 05:00.0 -- COMMAND");
  if (session.options.dry_run) return claim(session);
  auto body = claim_request(session);
  if (!body) return std::unexpected(body.error());
  auto child = Child::start(session.options);
  if (!child) return std::unexpected(child.error());
  auto made = make_claim(session, *body, child->pid());
  auto ready = made ? raise_memlock(session, member(*made, "id"), child->pid()) : Result<void>();
  child->let_go(made && ready ? member(*made, "id") : "");
  const int status = child->wait();
  if (!made) return std::unexpected(made.error());
  give_back(session, member(*made, "id"));
  if (!ready) return std::unexpected(ready.error());
  return status;
}

}  // namespace devbindd::clients
