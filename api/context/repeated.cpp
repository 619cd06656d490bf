// SPDX-License-Identifier: Apache-2.0
#include "api/context/repeated.hpp"

#include <boost/uuid/name_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "api/context/context.hpp"
#include "api/http/parameters.hpp"
#include "api/http/problem.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/journal/kept_answers.hpp"

namespace devbindd::api {
namespace {

using sysfs::ErrorCode;

constexpr std::string_view operations = "/v1/operations/";

// Bearers of tokens have no uid: each token has keys of its own. No header has a line end.
std::string kept_key(const Request& request) {
  const auto& token = request.requester.token;
  return token.empty() ? request.idempotency_key : token + "\n" + request.idempotency_key;
}

// What is asked, with or without dry_run. Each part is told from the next by its length.
std::string digest_of(const Request& request) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::to_string(part.size()) + ":";
    text += part;
  };
  add(request.method);
  for (const auto& segment : request.path) add(segment);
  for (const auto& [name, value] : request.query) {
    if (name == "dry_run") continue;
    add(name);
    add(value);
  }
  add(std::string_view(request.body));
  static const boost::uuids::name_generator_sha1 generate(boost::uuids::ns::oid());
  return boost::uuids::to_string(generate(text));
}

std::string operation_in(const Response& response) {
  if (response.status != 202) return {};
  for (const auto& [name, value] : response.headers) {
    if (name == "Location" && value.starts_with(operations)) return value.substr(operations.size());
  }
  return {};
}

// What is kept may be asked for again when the operation that it did not wait for has failed.
bool has_failed(Context& context, const handoff::KeptAnswer& kept) {
  if (kept.operation.empty()) return false;
  const auto operation = context.engine.operations().find(kept.operation);
  return operation && ((*operation)->state == handoff::OperationState::Failed ||
                       (*operation)->state == handoff::OperationState::Interrupted);
}

Response kept_response(Context& context, const handoff::KeptAnswer& kept) {
  Response response{.status = kept.status, .content_type = kept.content_type, .body = kept.body, .headers = {}};
  if (kept.operation.empty()) return response;
  if (const auto operation = context.engine.operations().find(kept.operation))
    response.body = handoff::dump(handoff::to_json(**operation)) + "\n";
  response.headers = {{"Location", std::string(operations) + kept.operation}, {"Retry-After", "1"}};
  return response;
}

void keep(Context& context, const Request& request, const std::string& digest, const Response& response,
          const std::function<void()>& done) {
  context.kept_answers.keep(request.requester.uid, kept_key(request),
                            {.request = digest,
                             .at = std::chrono::system_clock::now(),
                             .status = response.status,
                             .content_type = response.content_type,
                             .body = response.body,
                             .operation = operation_in(response)},
                            [&context, done](const sysfs::Result<>& stored) {
                              const auto& services = context.engine.services();
                              if (!stored && services.warn) services.warn(stored.error().message);
                              done();
                            });
}

// The first answer, for whoever asked meanwhile too.
void answer_all(Context& context, const Request& request, const Response& response) {
  auto waiting = context.under_way.extract({request.requester.uid, kept_key(request)});
  if (waiting.empty()) return;
  for (const auto& respond : waiting.mapped()) respond(response);
}

void perform_and_keep(Context& context, const Request& request, const std::string& digest,
                      const std::function<void(Respond)>& perform) {
  // A request that nobody answers any more does not keep those who wait for it.
  const auto unanswered =
      std::shared_ptr<void>(nullptr, [&context, user = request.requester.uid, key = kept_key(request)](void*) {
        context.under_way.erase({user, key});
      });
  perform([&context, request, digest, unanswered](const Response& response) {
    if (response.status >= 300) return answer_all(context, request, response);
    keep(context, request, digest, response,
         [&context, request, response, unanswered] { answer_all(context, request, response); });
  });
}

}  // namespace

void perform_once(Context& context, const Request& request, Respond respond,
                  const std::function<void(Respond)>& perform) {
  Mistakes mistakes;
  const auto key = key_of(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  if (key.empty()) return perform(std::move(respond));
  const auto user = request.requester.uid;
  const auto kept_as = kept_key(request);
  const auto digest = digest_of(request);
  const auto* kept = context.kept_answers.find(user, kept_as);
  if (kept != nullptr && kept->request != digest)
    return respond(
        problem_of(request, sysfs::Error{ErrorCode::KeyReused, "the idempotency key came with another request"}));
  if (kept != nullptr && !has_failed(context, *kept)) return respond(kept_response(context, *kept));
  const bool dry_run = QueryReader(request.query, mistakes).flag("dry_run");
  if (dry_run) return perform(std::move(respond));
  auto& waiting = context.under_way[{user, kept_as}];
  waiting.push_back(std::move(respond));
  if (waiting.size() == 1) perform_and_keep(context, request, digest, perform);
}

}  // namespace devbindd::api
