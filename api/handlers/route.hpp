// SPDX-License-Identifier: Apache-2.0
// The route table: which handler answers which method and path, and what a caller needs for it. The whole API is one
// list (routes.cpp), compared with openapi.yaml by a test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/context/context.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

enum class BodyRule { None, Json };

struct Route {
  std::string_view method;
  std::string_view pattern;  ///< "/v1/devices/{bdf}": a parameter is one whole segment
  Right right;               ///< the least that a caller needs; it has no default, so that each route names one
  BodyRule body;
  void (*handler)(Context&, const Request&, const PathArguments&, Respond);
  bool kept = false;      ///< with an Idempotency-Key its answer is kept (repeated.hpp)
  bool turns = false;     ///< it looks at all devices: also those who may change things wait for their turn
  bool versioned = true;  ///< a GET of the same has the same ETag; false: each answer is another one
};

const std::vector<Route>& routes();

/// Finds the route and calls its handler; answers 404, 405 with Allow, 403 and 415 itself. HEAD is answered as GET, and
/// the server leaves the body out.
void dispatch(Context& context, const Request& request, Respond respond);

}  // namespace devbindd::api
