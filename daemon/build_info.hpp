// SPDX-License-Identifier: Apache-2.0
// What the build puts into the binary: the version, the text of openapi.yaml, and the same as JSON.
#pragma once

#include <string_view>

namespace devbindd::daemon {

extern const char* const build_version;
std::string_view openapi_text();
std::string_view openapi_json();

}  // namespace devbindd::daemon
