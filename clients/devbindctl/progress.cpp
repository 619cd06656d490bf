// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

bool is_over(const json& operation) {
  const auto state = member(operation, "state");
  return state != "running" && state != "blocked";
}

// Tells the steps whose state is another than before, and remembers them.
class Steps {
 public:
  explicit Steps(const Output& output) : output_(output) {}

  void tell(const json& operation) {
    const auto& steps = operation["steps"];
    for (std::size_t at = 0; at < steps.size(); ++at) {
      if (at >= states_.size()) states_.emplace_back();
      const auto state = member(steps[at], "state");
      if (state == states_[at] || state == "pending" || state == "running") continue;
      states_[at] = state;
      const bool good = state == "done" || state == "already_done";
      const auto& terminal = output_.error_terminal();
      const auto count = std::to_string(at + 1) + "/" + std::to_string(steps.size());
      output_.tell("[" + count + "] " + printable(step_text(steps[at])) + "  " +
                   toned(terminal, good ? Tone::Good : Tone::Bad, state) + "\n");
    }
  }

 private:
  const Output& output_;
  std::vector<std::string> states_;
};

// The operation when it has changed, or after so many seconds.
Result<json> next_version(Session& session, const json& operation, std::string& tag, std::uint64_t seconds) {
  Request request{.method = "GET", .target = "/v1/operations/" + member(operation, "id"), .fields = {}, .body = {}};
  if (!tag.empty()) {
    request.fields.emplace_back("If-None-Match", tag);
    request.fields.emplace_back("Prefer", "wait=" + std::to_string(seconds));
  }
  auto answer = session.daemon.ask(request);
  if (!answer) return std::unexpected(answer.error());
  tag = answer->field("ETag");
  return answer->status == 304 ? operation : parsed(answer->body);
}

}  // namespace

bool shows_progress(const Session& session) { return session.options.progress || ::isatty(STDERR_FILENO) != 0; }

Result<ExitStatus> follow_operation(Session& session, json operation) {
  const auto end = Clock::now() + std::chrono::seconds(session.options.wait_seconds);
  Steps steps(session.output);
  std::string tag;
  bool said_why = false;
  for (;;) {
    steps.tell(operation);
    if (is_over(operation)) break;
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(end - Clock::now()).count();
    const bool blocked = member(operation, "state") == "blocked";
    if ((blocked && !said_why) || left <= 0)
      session.output.tell(waiting_text(operation, session.output.error_terminal()));
    said_why = said_why || blocked;
    if (left <= 0) return ExitStatus::Blocked;
    auto next = next_version(session, operation, tag, static_cast<std::uint64_t>(left));
    if (!next) return std::unexpected(next.error());
    operation = std::move(*next);
  }
  if (member(operation, "state") == "succeeded") return ExitStatus::Done;
  const auto error = operation.value("error", json());
  return std::unexpected(Failure{.status = status_of(member(error, "code")),
                                 .text = "The operation " + member(operation, "state") + ".",
                                 .body = error.is_object() ? error.dump() : ""});
}

Result<json> state_after(Session& session, const json& operation) {
  auto state = json{{"devices", json::array()}};
  for (const auto& device : operation["devices"]) {
    if (!device.value("present_after", true)) continue;
    auto binding = session.daemon.document("/v1/devices/" + member(device, "address") + "/binding");
    if (!binding && binding.error().body.contains("device_not_found")) continue;
    if (!binding) return std::unexpected(binding.error());
    state["devices"].push_back(std::move(*binding));
  }
  return state;
}

}  // namespace devbindd::clients
