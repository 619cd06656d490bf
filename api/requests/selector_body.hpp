// SPDX-License-Identifier: Apache-2.0
// {"vendor": "8086", "class": "0200", "count": 2, ...}: which devices are meant, in bodies and in the configuration.
// Not here: which devices fit it (handoff/model/selector.hpp).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "api/http/json_body.hpp"
#include "handoff/model/selector.hpp"

namespace devbindd::api {

/// Reads the object at `pointer`. One that selects by nothing would select everything, and is refused.
/// Mistakes: invalid_value, unknown_field, with the member's pointer.
handoff::Selector read_selector(const nlohmann::json& document, const std::string& pointer, Mistakes& mistakes);

/// {"pool": "vm"}: at most 32 names of up to 256 bytes, each with a text of as many. Mistake: invalid_value, with the
/// member's pointer.
handoff::Labels read_labels(const nlohmann::json& document, const std::string& pointer, Mistakes& mistakes);

}  // namespace devbindd::api
