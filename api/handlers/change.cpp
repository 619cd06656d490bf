// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/change.hpp"

#include <nlohmann/json.hpp>

#include "api/http/problem.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// One answer to one request: whichever of the operation's end and the caller's patience comes first.
struct Wait : std::enable_shared_from_this<Wait> {
  Context& context;
  Request request;
  std::string operation;
  RenderResult render;
  Respond respond;

  Wait(Context& the_context, Request the_request, std::string the_operation, RenderResult the_render,
       Respond the_respond)
      : context(the_context),
        request(std::move(the_request)),
        operation(std::move(the_operation)),
        render(std::move(the_render)),
        respond(std::move(the_respond)) {}

  void start(std::chrono::seconds patience) {
    if (patience.count() == 0) return answer();
    context.engine.waiters().when_settled(operation, [self = shared_from_this()] { self->answer(); });
    // The operation's end keeps this alive, and not the caller's patience, which may last for minutes beyond it.
    context.after(patience, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->answer();
    });
  }

  void answer() {
    if (!respond) return;
    const auto reply = std::exchange(respond, nullptr);
    const auto found = context.engine.operations().find(operation);
    if (!found) return reply(problem_of(request, found.error()));
    const auto& now = **found;
    if (now.state == handoff::OperationState::Succeeded) return render(true, operation, reply);
    if (now.state == handoff::OperationState::Failed) return reply(problem_of_operation(request, now));
    auto response = json_response(handoff::to_json(now), 202);
    response.headers.emplace_back("Location", "/v1/operations/" + operation);
    response.headers.emplace_back("Retry-After", "1");
    reply(std::move(response));
  }
};

}  // namespace

json preview_json(const handoff::Preview& preview) {
  json steps = json::array();
  for (const auto& step : preview.plan.steps) steps.push_back(handoff::to_json(step));
  json devices = json::array();
  for (const auto& transition : preview.plan.transitions) devices.push_back(handoff::to_json(transition));
  const auto* would = !preview.refused_by.empty() ? "refuse" : preview.plan.steps.empty() ? "nothing" : "change";
  return {{"dry_run", true},
          {"would", would},
          {"steps", std::move(steps)},
          {"devices", std::move(devices)},
          {"evidence", handoff::to_json(preview.plan.evidence)},
          {"refused_by", handoff::to_json(preview.refused_by)},
          {"selection", preview.selection ? render_selection(*preview.selection) : json(nullptr)}};
}

Respond telling_applied(const Preferences& preferences, Respond respond) {
  return [applied = applied_text(preferences), respond = std::move(respond)](Response response) {
    if (!applied.empty() && response.status < 300) response.headers.emplace_back("Preference-Applied", applied);
    respond(std::move(response));
  };
}

void submit_change(Context& context, const Request& request, handoff::ChangeRequest change, bool dry_run,
                   RenderResult render, Respond respond) {
  change.unless_changed_since = request.unless_changed_since;
  context.engine.submit(
      std::move(change), request.requester, dry_run,
      [&context, request, render = std::move(render), respond = std::move(respond)](handoff::Decision decision) {
        if (const auto* refusal = std::get_if<handoff::Refusal>(&decision))
          return respond(problem_of(request, *refusal));
        if (const auto* preview = std::get_if<handoff::Preview>(&decision))
          return respond(json_response(preview_json(*preview)));
        if (std::holds_alternative<handoff::Unchanged>(decision)) return render(false, "", respond);
        const auto& accepted = std::get<handoff::Accepted>(decision);
        const auto preferences = preferences_from(request.prefer);
        std::make_shared<Wait>(context, request, accepted.operation, render, telling_applied(preferences, respond))
            ->start(patience_of(preferences, context.default_wait));
      });
}

}  // namespace devbindd::api
