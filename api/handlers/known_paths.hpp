// SPDX-License-Identifier: Apache-2.0
// Which path of the API a request's path is, and which one was probably meant when it is none. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/handlers/route.hpp"

namespace devbindd::api {

/// The segments of a request's path, decoded.
using PathSegments = std::vector<std::string>;

/// The arguments for the parameters of a route's pattern, or nullopt where the path is another one.
std::optional<PathArguments> match(std::string_view pattern, const PathSegments& path);

/// The methods of these routes as in the field Allow: HEAD stands behind GET.
std::string allowed(const std::vector<const Route*>& routes);

/// The end of a sentence about a path that is not known, "" where nothing is near it: ". Did you mean
/// /v1/devices/0000:01:00.0/binding (GET, HEAD, PUT, DELETE)?", or ". Possible behind /v1/claims/7: renew, fds".
std::string path_hint(PathSegments path);

/// The end of a sentence about a method that the path of `pattern` does not take: which paths near to it do, or "".
std::string method_hint(std::string_view method, std::string_view pattern);

}  // namespace devbindd::api
