// {"vendor": "8086", "class": "0200", "count": 2, ...}: which devices are meant, in bodies and in the configuration.
// Not here: which devices fit it (handoff/selector.hpp).
#pragma once

#include "api/json_body.hpp"
#include "handoff/selector.hpp"

namespace devbindd::api {

/// Reads the object at `pointer`. One that selects by nothing would select everything, and is refused.
/// Errors: invalid_value, unknown_field, with the member's pointer.
std::expected<handoff::Selector, BodyError> read_selector(const nlohmann::json& document, const std::string& pointer);

/// {"pool": "vm"}: at most 32 names of up to 256 bytes, each with a text of as many. Error: invalid_value, with the
/// member's pointer.
std::expected<handoff::Labels, BodyError> read_labels(const nlohmann::json& document, const std::string& pointer);

/// A whole number within the bounds; nullopt when the key is absent. Error: invalid_value.
std::expected<std::optional<std::uint64_t>, BodyError> read_number(BodyReader& body, const std::string& key,
                                                                   std::uint64_t least, std::uint64_t most);

}  // namespace devbindd::api
