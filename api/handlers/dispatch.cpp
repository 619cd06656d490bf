// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/access/decision.hpp"
#include "api/context/repeated.hpp"
#include "api/handlers/conditional.hpp"
#include "api/handlers/denied.hpp"
#include "api/handlers/known_paths.hpp"
#include "api/handlers/route.hpp"
#include "api/http/media_ranges.hpp"
#include "api/http/preferences.hpp"
#include "api/http/problem.hpp"
#include "api/http/query.hpp"

namespace devbindd::api {
namespace {

Response not_allowed(const Request& request, const std::vector<const Route*>& here) {
  const auto allow = allowed(here);
  auto response = problem(request, 405, "method_not_allowed",
                          request.method + " is not possible at " + std::string(here.front()->pattern) +
                              "; possible: " + allow + method_hint(request.method, here.front()->pattern));
  response.headers.emplace_back("Allow", allow);
  return response;
}

bool asks_dry_run(const Request& request) {
  Mistakes mistakes;
  return QueryReader(request.query, mistakes).flag("dry_run");
}

// Who may read may ask what a change would do.
std::optional<Denial> denied_at_the_door(const Route& route, const Request& request) {
  auto denial = decide(request.grant, route.right);
  if (denial && asks_dry_run(request) && has(request.grant, Right::Read)) return std::nullopt;
  return denial;
}

std::optional<Response> refused_at_the_door(const Route& route, const Request& request) {
  const auto preferences = preferences_from(request.prefer);
  if (preferences.strict && !preferences.not_understood.empty()) {
    return bad_request(request, "invalid_value", "Prefer:",
                       "with handling=strict the preference '" + preferences.not_understood.front() +
                           "' is refused: respond-async, wait=SECONDS and handling are understood");
  }
  if (route.body == BodyRule::Json && media_type_of(request.content_type) != "application/json") {
    return problem(request, 415, "unsupported_media_type", "the body must be sent as Content-Type: application/json");
  }
  return std::nullopt;
}

// The GET of a path; nullptr where there is none.
const Route* reader_at(const std::vector<std::string>& path) {
  const auto found = std::ranges::find_if(
      routes(), [&path](const Route& route) { return route.method == "GET" && match(route.pattern, path); });
  return found == routes().end() ? nullptr : &*found;
}

void perform(Context& context, const Route& route, const Request& request, const PathArguments& arguments,
             Respond respond);

// A change of what the client has seen, and of nothing else.
void perform_if_match(Context& context, const Route& route, const Request& request, const PathArguments& arguments,
                      Respond respond) {
  Perform look;
  if (const auto* reader = reader_at(request.path))
    look = [&context, reader, arguments](const Request& reading, Respond found) {
      reader->handler(context, reading, arguments, std::move(found));
    };
  change_version(context, request, std::move(respond), look,
                 [&context, &route, arguments](const Request& changing, Respond answer) {
                   auto matched = changing;
                   matched.body = Body(std::string(std::string_view(changing.body)));
                   matched.if_match.clear();
                   perform(context, route, matched, arguments, std::move(answer));
                 });
}

void perform(Context& context, const Route& route, const Request& request, const PathArguments& arguments,
             Respond respond) {
  if (route.method == "GET" && route.versioned)
    return answer_version(context, request, std::move(respond),
                          [&context, &route, arguments](const Request& asked, Respond answer) {
                            route.handler(context, asked, arguments, std::move(answer));
                          });
  if (!request.if_match.empty()) return perform_if_match(context, route, request, arguments, std::move(respond));
  if (!route.kept) return route.handler(context, request, arguments, std::move(respond));
  perform_once(context, request, std::move(respond),
               [&](Respond answer) { route.handler(context, request, arguments, std::move(answer)); });
}

// Who may change things is never behind those who only ask, and nothing is done for one of those who has left.
void perform_in_turn(Context& context, const Route& route, const Request& request, const PathArguments& arguments,
                     Respond respond) {
  const auto kept = std::make_shared<Request>(request);
  kept->body = Body(std::string(std::string_view(request.body)));
  Request waiting;
  waiting.grant = request.grant;
  // Over TCP and TLS who has only said all that he has to say looks like one who has left, and gets his answer.
  if (!is_by_network(request.entrance)) waiting.client_left = request.client_left;
  in_turns(context, waiting, [&context, &route, kept, arguments, respond = std::move(respond)]() mutable {
    perform(context, route, *kept, arguments, std::move(respond));
    kept->body = {};
    return false;
  });
}

}  // namespace

void dispatch(Context& context, const Request& request, Respond respond) {
  const auto wanted = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  std::vector<const Route*> here;
  for (const auto& route : routes()) {
    const auto arguments = match(route.pattern, request.path);
    if (!arguments) continue;
    if (route.method != wanted) {
      here.push_back(&route);
      continue;
    }
    respond = [pattern = route.pattern, respond = std::move(respond)](Response response) {
      response.route = pattern;
      respond(std::move(response));
    };
    if (const auto denial = denied_at_the_door(route, request)) return respond(denied(context, request, *denial));
    if (auto refusal = refused_at_the_door(route, request)) return respond(std::move(*refusal));
    if (may_change(request.grant) && !route.turns)
      return perform(context, route, request, *arguments, std::move(respond));
    return perform_in_turn(context, route, request, *arguments, std::move(respond));
  }
  if (!here.empty()) {
    auto response = not_allowed(request, here);
    response.route = here.front()->pattern;
    return respond(std::move(response));
  }
  respond(problem(request, 404, "not_found",
                  "there is nothing at this path; GET /openapi.yaml lists what there is" + path_hint(request.path)));
}

}  // namespace devbindd::api
