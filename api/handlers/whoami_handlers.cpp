// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render_grant.hpp"
#include "handoff/worker/task.hpp"

namespace devbindd::api {

// The name service may take a network: a worker asks it, and without its answer there are numbers alone.
void get_whoami(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  handoff::NameOwners asked{.uids = {}, .gids = request.groups};
  if (request.requester.uid) asked.uids.push_back(*request.requester.uid);
  const auto answer = [&context, request, respond](const handoff::ResultOf<handoff::NameOwners>& named) {
    respond(json_response(render_grant(request, named.value_or(handoff::NameOwners::Answer{}),
                                       context.claims.holdings_of(request.requester))));
  };
  if (asked.uids.empty() && asked.gids.empty()) return answer(handoff::NameOwners::Answer{});
  handoff::ask(context.engine.services().run_task, std::move(asked), asker_of(request.requester),
               "the name service does not answer", answer);
}

}  // namespace devbindd::api
