#include <nlohmann/json.hpp>

#include "api/handlers.hpp"
#include "api/parameters.hpp"
#include "api/render.hpp"

namespace devbindd::api {
namespace {

// True when the request had parameters and is answered.
bool refused_query(const Request& request, const Respond& respond) {
  QueryReader query(request.query);
  auto done = query.finish();
  if (!done) respond(to_response(request, done.error()));
  return !done;
}

}  // namespace

void get_service(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (refused_query(request, respond)) return;
  respond(json_response({{"name", "devbindd"},
                         {"version", context.version},
                         {"api_versions", {"v1"}},
                         {"extensions", nlohmann::json::array()},
                         {"boot_id", context.boot_id},
                         {"read_only", context.read_only},
                         {"openapi", "/openapi.yaml"}}));
}

// Liveness: the thread that answers this is the one that does everything else.
void get_health(Context&, const Request& request, const PathArguments&, Respond respond) {
  if (refused_query(request, respond)) return;
  respond(json_response({{"status", "ok"}}));
}

void get_readiness(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (refused_query(request, respond)) return;
  const auto reason = context.not_ready();
  if (!reason.empty()) return respond(problem(request, 503, "not_ready", reason));
  respond(json_response({{"status", "ready"}}));
}

void get_openapi(Context& context, const Request& request, const PathArguments&, Respond respond) {
  if (refused_query(request, respond)) return;
  respond({.status = 200, .content_type = "application/yaml", .body = context.openapi, .headers = {}});
}

}  // namespace devbindd::api
