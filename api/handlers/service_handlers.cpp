// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/render/metrics.hpp"
#include "api/render/render.hpp"
#include "sysfs/use/read_only_mount.hpp"

namespace devbindd::api {
void get_service(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  respond(json_response({{"name", "devbindd"},
                         {"version", context.version},
                         {"api_versions", {"v1"}},
                         {"extensions", nlohmann::json::array()},
                         {"boot_id", context.boot_id},
                         {"read_only", context.read_only},
                         {"openapi", "/openapi.yaml"},
                         {"openapi_json", "/openapi.json"}}));
}

// Liveness: the thread that answers this is the one that does everything else.
void get_health(Context&, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  respond(json_response({{"status", "ok"}}));
}

void get_readiness(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  auto reason = context.not_ready();
  const auto read_only = sysfs::read_only_sysfs(context.engine.services().tree);
  if (reason.empty() && read_only && !context.read_only)
    reason = *read_only + " is mounted read-only for devbindd: it can change nothing (--read-only is for that)";
  if (!reason.empty()) return respond(problem(request, 503, "not_ready", reason));
  respond(json_response({{"status", "ready"}}));
}

void get_metrics(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  respond({.status = 200,
           .content_type = "text/plain; version=0.0.4; charset=utf-8",
           .body = render_metrics(context),
           .headers = {}});
}

void get_openapi(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  respond({.status = 200, .content_type = "application/yaml", .body = context.openapi, .headers = {}});
}

void get_openapi_json(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (auto refusal = refuse_parameters(request)) return respond(std::move(*refusal));
  respond({.status = 200, .content_type = "application/json", .body = context.openapi_json, .headers = {}});
}

}  // namespace devbindd::api
