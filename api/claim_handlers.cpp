#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/change.hpp"
#include "api/claim_request.hpp"
#include "api/handlers.hpp"
#include "api/listing.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "api/render_claim.hpp"
#include "api/text_table.hpp"
#include "handoff/claim_audit.hpp"
#include "handoff/claim_descriptors.hpp"
#include "handoff/json_values.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;

sysfs::Error not_found(const std::string& id) {
  return {ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64)};
}

// The claim as it is now; 201 and 202 tell where it is.
Response claim_response(Context& context, const Request& request, const std::string& id, int status) {
  const auto* claim = context.claims.find(id);
  if (claim == nullptr) return problem_of(request, not_found(id));
  auto document = render_claim(context, *claim);
  if (!document) return problem_of(request, document.error());
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

void answer_made(Context& context, const Request& request, const handoff::Claims::Outcome& outcome,
                 const Respond& respond) {
  if (const auto* refusal = std::get_if<handoff::Refusal>(&outcome)) return respond(problem_of(request, *refusal));
  if (const auto* failed = std::get_if<handoff::Claims::Failed>(&outcome)) {
    auto document = context.engine.document(failed->operation);
    if (!document) return respond(problem_of(request, document.error()));
    return respond(problem_of_operation(request, *document));
  }
  if (const auto* preview = std::get_if<handoff::Preview>(&outcome))
    return respond(json_response(preview_json(*preview)));
  const auto& made = std::get<handoff::Claims::Made>(outcome);
  const auto* claim = context.claims.find(made.id);
  const bool preparing = claim != nullptr && claim->state == handoff::ClaimState::Preparing;
  respond(claim_response(context, request, made.id, preparing ? 202 : made.existing ? 200 : 201));
}

sysfs::Result<const handoff::Claim*> active_claim(Context& context, const std::string& id) {
  const auto* claim = context.claims.find(id);
  if (claim == nullptr) return std::unexpected(not_found(id));
  if (claim->state != handoff::ClaimState::Active)
    return sysfs::fail(ErrorCode::ClaimNotActive, "the claim is " + std::string(handoff::name_of(claim->state)) +
                                                      ": only an active one is handed over");
  return claim;
}

// Whoever may change things, and the owner himself: the nodes are open to him anyway.
bool may_have_descriptors(const Request& request, const handoff::Claim& claim) {
  const auto& [uids, gids] = claim.grantees;
  const auto is_owner = [&gids](unsigned group) { return std::ranges::find(gids, group) != gids.end(); };
  return request.access == Access::Change ||
         (request.requester.uid && std::ranges::find(uids, *request.requester.uid) != uids.end()) ||
         std::ranges::any_of(request.groups, is_owner);
}

Response descriptors_response(const handoff::Claim& claim, handoff::ClaimDescriptors descriptors) {
  json list = json::array();
  for (const auto& role : descriptors.roles) {
    json devices = json::array();
    for (const auto& address : role.devices) devices.push_back(sysfs::to_string(address));
    list.push_back({{"role", role.name},
                    {"path", role.path},
                    {"iommu_group", handoff::or_null(role.iommu_group)},
                    {"devices", std::move(devices)}});
  }
  auto response = json_response({{"claim", "/v1/claims/" + claim.id},
                                 {"fencing_token", claim.fencing_token},
                                 {"way", handoff::name_of(descriptors.way)},
                                 {"descriptors", std::move(list)}});
  response.descriptors = std::make_shared<std::vector<sysfs::FileDescriptor>>(std::move(descriptors.open));
  return response;
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
  QueryReader query(request.query);
  auto state = query.one("state");
  if (!state) return respond(to_response(request, state.error()));
  auto wanted_page = paging(request, query);
  if (!wanted_page) return respond(std::move(wanted_page.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  if (*state && !handoff::claim_state_named(**state)) {
    return respond(
        bad_request(request, "invalid_value", "?state", "'" + (*state)->substr(0, 64) + "' is no state of a claim"));
  }
  Listing listing{.keys = {},
                  .render = [&context](const std::string& id) { return claim_item(context, id); },
                  .columns = claim_columns()};
  for (const auto* claim : context.claims.all()) {
    if (!*state || handoff::name_of(claim->state) == **state) listing.keys.push_back(claim->id);
  }
  answer_list(context, request, std::move(listing), std::move(*wanted_page), std::move(respond));
}

void post_claim(Context& context, const Request& request, const PathArguments&, Respond respond) {
  QueryReader query(request.query);
  auto dry_run = query.flag("dry_run");
  if (!dry_run) return respond(to_response(request, dry_run.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto claim = read_claim_request(request);
  if (!claim) return respond(std::move(claim.error()));
  const auto wait = std::make_shared<ClaimWait>(context, request, std::move(respond));
  context.claims.create(
      std::move(*claim), request.requester, *dry_run,
      [&context, request, wait](const handoff::Claims::Outcome& outcome) {
        if (auto reply = wait->take()) answer_made(context, request, outcome, *reply);
      },
      [wait](const std::string& id) { wait->accepted(id); });
  if (!*dry_run) wait->start();
}

void get_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  respond(claim_response(context, request, arguments[0], 200));
}

void delete_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  auto when_closed = query.flag("when_closed");
  if (!when_closed) return respond(to_response(request, when_closed.error()));
  auto dry_run = query.flag("dry_run");
  if (!dry_run) return respond(to_response(request, dry_run.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  const auto& id = arguments[0];
  if (*dry_run) {
    return context.claims.preview_release(
        id, request.requester, *when_closed,
        [request, respond = std::move(respond)](const std::variant<handoff::Refusal, handoff::Preview>& outcome) {
          if (const auto* refusal = std::get_if<handoff::Refusal>(&outcome))
            return respond(problem_of(request, *refusal));
          respond(json_response(preview_json(std::get<handoff::Preview>(outcome))));
        });
  }
  const auto wait = std::make_shared<ClaimWait>(context, request, std::move(respond));
  context.claims.release(
      id, request.requester, *when_closed,
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
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto ttl = read_renewal(request);
  if (!ttl) return respond(std::move(ttl.error()));
  context.claims.renew(arguments[0], request.requester, *ttl,
                       answer_with_claim(context, request, arguments[0], std::move(respond)));
}

void acknowledge_claim(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto body = parse_body(request.body);
  if (!body) return respond(to_response(request, body.error()));
  if (auto done = BodyReader(*body).finish(); !done) return respond(to_response(request, done.error()));
  context.claims.acknowledge(arguments[0], request.requester,
                             answer_with_claim(context, request, arguments[0], std::move(respond)));
}

void post_claim_fds(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto way = read_descriptor_way(request);
  if (!way) return respond(std::move(way.error()));
  const auto& id = arguments[0];
  const auto claim = active_claim(context, id);
  if (!claim) return respond(problem_of(request, claim.error()));
  if (!may_have_descriptors(request, **claim))
    return respond(problem(request, 403, "forbidden", "this caller is no owner of the claim and may only read"));
  if (request.requester.transport != "unix")
    return respond(problem(request, 409, "unix_socket_only", "descriptors cannot be sent over TCP: ask on the socket"));
  // Both take their time, and the claim may end meanwhile: then they are closed again.
  handoff::open_descriptors(
      context.engine, **claim, *way, asker_of(request.requester),
      [&context, request, id, respond = std::move(respond)](sysfs::Result<handoff::ClaimDescriptors> opened) {
        if (!opened) return respond(problem_of(request, opened.error()));
        const auto still = active_claim(context, id);
        if (!still) return respond(problem_of(request, still.error()));
        const auto found = std::make_shared<handoff::ClaimDescriptors>(std::move(*opened));
        handoff::record(
            context.engine.services().journal, **still, handoff::AuditEvent::HandedOver, request.requester,
            [&context, request, id, found, respond](const sysfs::Result<>& stored) {
              const auto& services = context.engine.services();
              if (!stored && services.warn) services.warn(stored.error().message);
              const auto now = active_claim(context, id);
              respond(now ? descriptors_response(**now, std::move(*found)) : problem_of(request, now.error()));
            });
      });
}

void post_claim_memlock(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  auto question = read_dma_memory(request);
  if (!question) return respond(std::move(question.error()));
  const auto claim = active_claim(context, arguments[0]);
  if (!claim) return respond(problem_of(request, claim.error()));
  handoff::check_dma_memory(
      context.engine, **claim, *question, asker_of(request.requester),
      [request, respond = std::move(respond)](const sysfs::Result<handoff::DmaMemoryAnswer>& made) {
        if (!made) return respond(problem_of(request, made.error()));
        respond(json_response(render_dma_memory(*made)));
      });
}

void get_handover(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  QueryReader query(request.query);
  auto name = query.one("format");
  if (!name) return respond(to_response(request, name.error()));
  auto way = query.one("backend");
  if (!way) return respond(to_response(request, way.error()));
  if (auto done = query.finish(); !done) return respond(to_response(request, done.error()));
  const auto format = handover_format_named(name->value_or("env"));
  if (!format) {
    return respond(bad_request(request, "invalid_value", "?format",
                               "'" + name->value_or("").substr(0, 64) + "' is no format of a handover"));
  }
  const auto wanted = backend_named(way->value_or("auto"));
  if (!wanted && way->value_or("auto") != "auto") {
    return respond(bad_request(request, "invalid_value", "?backend",
                               "'" + way->value_or("").substr(0, 64) + "' is neither group nor iommufd nor auto"));
  }
  if (wanted == Backend::Iommufd && !opens_device_nodes(*format)) {
    return respond(bad_request(request, "invalid_value", "?backend",
                               "a consumer of the format " + std::string(name_of(*format)) + " opens groups only"));
  }
  const auto claim = active_claim(context, arguments[0]);
  if (!claim) return respond(problem_of(request, claim.error()));
  auto handover = handover_of(context.engine, **claim);
  if (!handover) return respond(problem_of(request, handover.error()));
  const auto backend = chosen_backend(*handover, *format, wanted);
  if (!backend) return respond(problem_of(request, backend.error()));
  handover->backend = *backend;
  auto text = render_handover(*handover, *format);
  respond({.status = 200, .content_type = text.media_type, .body = std::move(text.text), .headers = {}});
}

}  // namespace devbindd::api
