// SPDX-License-Identifier: Apache-2.0
// Events as documents.
#pragma once

#include <string>

#include "handoff/model/host_event.hpp"

namespace devbindd::api {

/// One line of JSON: the schema HostEvent of openapi.yaml.
std::string render_event(const handoff::HostEvent& event, const std::string& id);

}  // namespace devbindd::api
