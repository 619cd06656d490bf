// SPDX-License-Identifier: Apache-2.0
// What the consumer of a claim asks for: the open descriptors, whether it may lock enough memory, and how it is to be
// started. Not here: the claim's life (claim_handlers.cpp).
#include <nlohmann/json.hpp>

#include "api/handlers/denied.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/nearest_word.hpp"
#include "api/http/parameters.hpp"
#include "api/http/problem.hpp"
#include "api/render/render.hpp"
#include "api/render/render_claim.hpp"
#include "api/requests/claim_filter.hpp"
#include "api/requests/claim_request.hpp"
#include "handoff/claim/claim_audit.hpp"
#include "handoff/claim/claim_descriptors.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;

// The claim by its id in the path, for those who may know of it, when it is handed over.
sysfs::Result<const handoff::Claim*> active_claim(Context& context, const Request& request, const std::string& id) {
  const auto claim = visible_claim(context.claims, request, id);
  if (claim && (*claim)->state != handoff::ClaimState::Active)
    return sysfs::fail(ErrorCode::ClaimNotActive, "the claim is " + std::string(handoff::name_of((*claim)->state)) +
                                                      ": only an active one is handed over");
  return claim;
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

}  // namespace

void post_claim_fds(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader(request.query, mistakes).finish();
  const auto way = read_descriptor_way(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto& id = arguments[0];
  const auto claim = active_claim(context, request, id);
  if (!claim) return respond(problem_of(request, claim.error()));
  if (auto denial = claim_denied(context, request, **claim)) return respond(std::move(*denial));
  if (request.requester.transport != "unix")
    return respond(problem(request, 409, "unix_socket_only", "descriptors cannot be sent over TCP: ask on the socket"));
  // Both take their time, and the claim may end meanwhile: then they are closed again.
  handoff::open_descriptors(
      context.engine, **claim, way, asker_of(request.requester),
      [&context, request, id, respond = std::move(respond)](sysfs::Result<handoff::ClaimDescriptors> opened) {
        if (!opened) return respond(problem_of(request, opened.error()));
        const auto still = active_claim(context, request, id);
        if (!still) return respond(problem_of(request, still.error()));
        const auto found = std::make_shared<handoff::ClaimDescriptors>(std::move(*opened));
        handoff::record(
            context.engine.services().journal, **still, handoff::AuditEvent::HandedOver, request.requester,
            [&context, request, id, found, respond](const sysfs::Result<>& stored) {
              const auto& services = context.engine.services();
              if (!stored && services.warn) services.warn(stored.error().message);
              const auto now = active_claim(context, request, id);
              respond(now ? descriptors_response(**now, std::move(*found)) : problem_of(request, now.error()));
            });
      });
}

void post_claim_memlock(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader(request.query, mistakes).finish();
  const auto question = read_dma_memory(request, mistakes);
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto claim = active_claim(context, request, arguments[0]);
  if (!claim) return respond(problem_of(request, claim.error()));
  if (auto denial = claim_denied(context, request, **claim)) return respond(std::move(*denial));
  handoff::check_dma_memory(
      context.engine, **claim, question, asker_of(request.requester),
      [request, respond = std::move(respond)](const sysfs::Result<handoff::DmaMemoryAnswer>& made) {
        if (!made) return respond(problem_of(request, made.error()));
        respond(json_response(render_dma_memory(*made)));
      });
}

namespace {

struct HandoverWish {
  HandoverFormat format = HandoverFormat::Env;
  std::optional<Backend> backend = {};  ///< nullopt: whichever there is
};

HandoverWish read_handover_wish(QueryReader& query) {
  HandoverWish wish;
  const auto name = query.one("format").value_or("env");
  if (const auto format = handover_format_named(name)) {
    wish.format = *format;
  } else {
    std::vector<std::string_view> known;
    for (const auto one : handover_formats()) known.push_back(name_of(one));
    query.wrong("format", "'" + name.substr(0, 64) + "' is no format of a handover" + hint(name, known));
  }
  const auto way = query.one("backend").value_or("auto");
  wish.backend = backend_named(way);
  if (!wish.backend && way != "auto")
    query.wrong("backend", "'" + way.substr(0, 64) + "' is neither group nor iommufd nor auto");
  if (wish.backend == Backend::Iommufd && !opens_device_nodes(wish.format))
    query.wrong("backend", "a consumer of the format " + std::string(name_of(wish.format)) + " opens groups only");
  return wish;
}

}  // namespace

void get_handover(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  const auto wish = read_handover_wish(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  const auto claim = active_claim(context, request, arguments[0]);
  if (!claim) return respond(problem_of(request, claim.error()));
  auto handover = handover_of(context.engine, **claim);
  if (!handover) return respond(problem_of(request, handover.error()));
  const auto backend = chosen_backend(*handover, wish.format, wish.backend);
  if (!backend) return respond(problem_of(request, backend.error()));
  handover->backend = *backend;
  if (may_use(context, request, **claim)) handover->vf_token = (*claim)->request.vf_token;
  auto text = render_handover(*handover, wish.format);
  respond({.status = 200, .content_type = text.media_type, .body = std::move(text.text), .headers = {}});
}

}  // namespace devbindd::api
