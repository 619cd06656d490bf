// SPDX-License-Identifier: Apache-2.0
// cordon, uncordon and acknowledge: what an administrator says before and after work on a device.
#include <nlohmann/json.hpp>

#include "clients/api/targets.hpp"
#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// Asks the same of each device. What was done before one of them fails stays.
Outcome of_each(Session& session, const std::string& method, const std::string& body, const std::string& done_now) {
  std::vector<std::string> addresses;
  for (const auto& word : session.options.targets) {
    auto address = address_of(session.daemon, word);
    if (!address) return std::unexpected(address.error());
    addresses.push_back(std::move(*address));
  }
  std::vector<Answer> answers;
  for (const auto& address : addresses) {
    auto answer = session.daemon.ask(
        {.method = method, .target = "/v1/devices/" + address + "/cordon", .fields = {}, .body = body});
    if (!answer) return std::unexpected(answer.error());
    answers.push_back(std::move(*answer));
  }
  if (session.output.documents(answers)) return done();
  for (const auto& address : addresses)
    session.output.write(address + (session.output.format() == Format::Name ? "" : " " + done_now) + "\n");
  return done();
}

}  // namespace

Outcome cordon(Session& session) {
  auto body = json::object();
  if (!session.options.reason.empty()) body["reason"] = session.options.reason;
  return of_each(session, "PUT", body.dump(), "is cordoned: it gets no new claims.");
}

Outcome uncordon(Session& session) { return of_each(session, "DELETE", {}, "may be claimed again."); }

Outcome acknowledge(Session& session) {
  auto id = whole_claim_id(session.daemon, session.options.targets.front());
  if (!id) return std::unexpected(id.error());
  auto answer = session.daemon.ask(
      {.method = "POST", .target = "/v1/claims/" + *id + "/acknowledge", .fields = {}, .body = "{}"});
  if (!answer) return std::unexpected(answer.error());
  const auto claim = parsed(answer->body);
  std::vector<Answer> answers;
  answers.push_back(std::move(*answer));
  if (session.output.documents(answers)) return done();
  session.output.write(session.output.format() == Format::Name
                           ? *id + "\n"
                           : "The claim " + *id + " is " + member(claim, "state") + ": its devices are free.\n");
  return done();
}

}  // namespace devbindd::clients
