// SPDX-License-Identifier: Apache-2.0
// A JSON value as YAML 1.2 (and 1.1) for people to read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace devbindd::clients {

/// The document, with an end of line. Reading it as YAML gives the same value.
std::string yaml(const nlohmann::json& value);

}  // namespace devbindd::clients
