// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers/change.hpp"
#include "api/handlers/denied.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/listing.hpp"
#include "api/http/problem.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "api/render/render_claim.hpp"
#include "api/requests/claim_filter.hpp"
#include "api/requests/claim_request.hpp"
#include "handoff/claim/claim_audit.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// The claim as it is now; 201 and 202 tell where it is.
Response claim_response(Context& context, const Request& request, const std::string& id, int status) {
  const auto claim = visible_claim(context.claims, request, id);
  if (!claim) return problem_of(request, claim.error());
  auto document = render_claim(context, **claim);
  if (!document) return problem_of(request, document.error());
  (*document)["dry_run"] = false;
  auto response = json_response(*document, status);
  if (status != 200) response.headers.emplace_back("Location", "/v1/claims/" + id);
  if (status == 202) response.headers.emplace_back("Retry-After", "1");
  return response;
}

// One answer to one request for a claim or for its end: what comes first of the outcome and the caller's patience. That
// ends with 202, and not before the request is accepted: until then it may be refused.
class ClaimWait : public std::enable_shared_from_this<ClaimWait> {
 public:
  ClaimWait(Context& context, const Request& request, Respond respond)
      : context_(context),
        request_(request),
        preferences_(preferences_from(request.prefer)),
        respond_(std::move(respond)) {}

  void start() {
    const auto patience = patience_of(preferences_, context_.default_wait);
    // The outcome keeps this alive, and not the caller's patience, which may last for minutes beyond it.
    const auto out = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->lose_patience();
    };
    if (patience.count() == 0) return out();
    context_.after(patience, out);
  }
  void accepted(const std::string& claim) {
    claim_ = claim;
    if (impatient_) lose_patience();
  }
  /// How to answer; nullopt when that was done already.
  std::optional<Respond> take() {
    const auto respond = std::exchange(respond_, nullptr);
    if (!respond) return std::nullopt;
    return telling_applied(preferences_, respond);
  }

 private:
  void lose_patience() {
    impatient_ = true;
    if (claim_.empty()) return;
    const auto* claim = context_.claims.find(claim_);
    const bool under_way = claim != nullptr && (claim->state == handoff::ClaimState::Preparing ||
                                                claim->state == handoff::ClaimState::Releasing);
    if (!under_way) return;
    if (auto reply = take()) (*reply)(claim_response(context_, request_, claim_, 202));
  }

  Context& context_;
  Request request_;
  Preferences preferences_;
  Respond respond_;
  std::string claim_;
  bool impatient_ = false;
};

void answer_made(Context& context, const Request& request, const handoff::ClaimOutcome& outcome,
                 const Respond& respond) {
  if (const auto* refusal = std::get_if<handoff::Refusal>(&outcome)) return respond(problem_of(request, *refusal));
  if (const auto* failed = std::get_if<handoff::ClaimFailed>(&outcome)) {
    const auto operation = context.engine.operations().find(failed->operation);
    if (!operation) return respond(problem_of(request, operation.error()));
    return respond(problem_of_operation(request, **operation));
  }
  if (const auto* preview = std::get_if<handoff::Preview>(&outcome))
    return respond(json_response(preview_json(*preview)));
  const auto& made = std::get<handoff::ClaimMade>(outcome);
  const auto* claim = context.claims.find(made.id);
  const bool preparing = claim != nullptr && claim->state == handoff::ClaimState::Preparing;
  respond(claim_response(context, request, made.id, preparing ? 202 : made.existing ? 200 : 201));
}

std::string names_of(const json& claim) {
  std::string text;
  for (const auto& device : claim["devices"]) {
    if (!device["companion"]) text += (text.empty() ? "" : ", ") + plain(device["address"]);
  }
  return text;
}

std::string owners_of(const json& claim) {
  std::string text;
  const auto& owner = claim["request"]["owner"];
  for (const auto& [names, numbers] : {std::pair("users", "uids"), std::pair("groups", "gids")}) {
    // Those that were given as numbers come first, then those that the names stand for.
    const auto found = owner[names].size();
    for (std::size_t at = 0; at + found < owner[numbers].size(); ++at)
      text += (text.empty() ? "" : ", ") + plain(owner[numbers][at]);
    for (const auto& name : owner[names]) text += (text.empty() ? "" : ", ") + plain(name);
  }
  return text;
}

const std::vector<Column>& claim_columns() {
  static const std::vector<Column> list = {{"ID", [](const json& claim) { return plain(claim["id"]); }},
                                           {"STATE", [](const json& claim) { return plain(claim["state"]); }},
                                           {"EXPIRES", [](const json& claim) { return plain(claim["expires_at"]); }},
                                           {"OWNER", owners_of},
                                           {"DEVICES", names_of}};
  return list;
}

// A release or renewal of a claim that has been answered by an error or by nothing.
std::function<void(sysfs::Result<>)> answer_with_claim(Context& context, const Request& request, const std::string& id,
                                                       Respond respond) {
  return [&context, request, id, respond = std::move(respond)](const sysfs::Result<>& done) {
    if (!done) return respond(problem_of(request, done.error()));
    respond(claim_response(context, request, id, 200));
  };
}

sysfs::Result<std::optional<json>> claim_item(Context& context, const std::string& id) {
  const auto* claim = context.claims.find(id);
  if (claim == nullptr) return std::nullopt;  // newer ones have taken its place
  auto document = render_claim(context, *claim);
  if (!document) return std::unexpected(document.error());
  return std::optional(std::move(*document));
}

}  // namespace

void list_claims(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto filter = read_claim_filter(query);
  auto wanted_page = paging(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  Listing listing{.keys = {},
                  .render = [&context](const std::string& id) { return claim_item(context, id); },
                  .columns = claim_columns()};
  for (const auto* claim : context.claims.all()) {
    if (may_see(request, *claim) && passes(*claim, filter)) listing.keys.push_back(claim->id);
  }
  answer_list(context, request, std::move(listing), std::move(wanted_page), std::move(respond));
}

void post_claim(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto dry_run = query.flag("dry_run");
  query.finish();
  auto claim = read_claim_request(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto wait = std::make_shared<ClaimWait>(context, request, std::move(respond));
  context.claims.create(
      std::move(claim), request.requester, dry_run,
      [&context, request, wait](const handoff::ClaimOutcome& outcome) {
        if (auto reply = wait->take()) answer_made(context, request, outcome, *reply);
      },
      [wait](const std::string& id) { wait->accepted(id); });
  if (!dry_run) wait->start();
}

void get_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto fields = fields_parameter(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto claim = visible_claim(context.claims, request, arguments[0]);
  if (!claim) return respond(problem_of(request, claim.error()));
  auto document = render_claim(context, **claim);
  if (!document) return respond(problem_of(request, document.error()));
  if (auto refusal = keep_fields(request, fields, *document)) return respond(std::move(*refusal));
  respond(json_response(*document));
}

void delete_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const bool when_closed = query.flag("when_closed");
  const bool dry_run = query.flag("dry_run");
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto& id = arguments[0];
  const auto known = visible_claim(context.claims, request, id);
  if (!known) return respond(problem_of(request, known.error()));
  if (dry_run) {
    return context.claims.preview_release(
        id, request.requester, when_closed,
        [request, respond = std::move(respond)](const std::variant<handoff::Refusal, handoff::Preview>& outcome) {
          if (const auto* refusal = std::get_if<handoff::Refusal>(&outcome))
            return respond(problem_of(request, *refusal));
          respond(json_response(preview_json(std::get<handoff::Preview>(outcome))));
        });
  }
  if (auto denial = claim_denied(context, request, **known)) return respond(std::move(*denial));
  const auto wait = std::make_shared<ClaimWait>(context, request, std::move(respond));
  context.claims.release(
      id, request.requester, when_closed,
      [&context, request, id, wait](const std::optional<handoff::Refusal>& refusal) {
        const auto reply = wait->take();
        if (!reply) return;
        if (refusal) return (*reply)(problem_of(request, *refusal));
        const auto* claim = context.claims.find(id);
        const bool waits = claim != nullptr && claim->state == handoff::ClaimState::Releasing;
        (*reply)(claim_response(context, request, id, waits ? 202 : 200));
      },
      [wait, id] { wait->accepted(id); });
  wait->start();
}

void renew_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader(request.query, mistakes).finish();
  const auto ttl = read_renewal(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto known = visible_claim(context.claims, request, arguments[0]);
  if (!known) return respond(problem_of(request, known.error()));
  if (auto denial = claim_denied(context, request, **known)) return respond(std::move(*denial));
  context.claims.renew(arguments[0], request.requester, ttl,
                       answer_with_claim(context, request, arguments[0], std::move(respond)));
}

void acknowledge_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader(request.query, mistakes).finish();
  const auto document = body_of(request, mistakes);
  BodyReader(document, mistakes).finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto known = visible_claim(context.claims, request, arguments[0]);
  if (!known) return respond(problem_of(request, known.error()));
  if (auto denial = claim_denied(context, request, **known)) return respond(std::move(*denial));
  context.claims.acknowledge(arguments[0], request.requester,
                             answer_with_claim(context, request, arguments[0], std::move(respond)));
}

}  // namespace devbindd::api
