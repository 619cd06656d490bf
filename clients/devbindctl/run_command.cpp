// SPDX-License-Identifier: Apache-2.0
// run: a command that has devices for as long as it runs.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
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
  auto document = parsed(answer->body);
  if (answer->status != 202) return document;
  return std::unexpected(Failure{.status = ExitStatus::Blocked,
                                 .text = waiting_claim_text(document, session.output.error_terminal()),
                                 .body = {}});
}

// The claim when it is over, or as it is after so long as the options say.
Result<json> claim_at_its_end(Daemon& daemon, json claim, std::uint64_t wait_seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(wait_seconds);
  std::string tag;
  while (member(claim, "state") == "releasing" && Clock::now() < end) {
    Request request{.method = "GET", .target = "/v1/claims/" + member(claim, "id"), .fields = {}, .body = {}};
    if (!tag.empty()) {
      const auto left = std::chrono::ceil<std::chrono::seconds>(end - Clock::now()).count();
      request.fields = {{"If-None-Match", tag}, {"Prefer", "wait=" + std::to_string(left)}};
    }
    auto answer = daemon.ask(request);
    if (!answer) return std::unexpected(answer.error());
    tag = answer->field("ETag");
    if (answer->status != 304) claim = parsed(answer->body);
  }
  return claim;
}

// Ends the claim, waits until the devices are given back, and tells where that is not what came of it.
void give_back(Session& session, const std::string& claim) {
  Daemon daemon(session.options.socket);
  auto answer = daemon.ask({.method = "DELETE",
                            .target = "/v1/claims/" + claim + "?when_closed=true",
                            .fields = {{"Prefer", "wait=" + std::to_string(session.options.wait_seconds)}},
                            .body = {}});
  auto document = answer ? claim_at_its_end(daemon, parsed(answer->body), session.options.wait_seconds)
                         : Result<json>(std::unexpected(answer.error()));
  if (!document)
    return session.output.tell("devbindctl: the claim " + claim + " was not ended: " + document.error().text + "\n");
  const auto state = member(*document, "state");
  if (state == "releasing")
    session.output.tell("devbindctl: " + waiting_claim_text(*document, session.output.error_terminal()));
  if (state == "quarantined" || state == "lost")
    session.output.tell("devbindctl: the claim " + claim + " is " + state + ": " +
                        printable(member(*document, "reason")) + "\n");
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
