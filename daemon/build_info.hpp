// What the build puts into the binary: the version and the text of openapi.yaml.
#pragma once

#include <string_view>

namespace devbindd::daemon {

extern const char* const build_version;
std::string_view openapi_text();

}  // namespace devbindd::daemon
