// SPDX-License-Identifier: Apache-2.0
// How small values are written in JSON: none as null, addresses and register values as "0x..." text.
// Not here: documents (json.hpp, api/render*.hpp).
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace devbindd::handoff {

template <class T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

/// "0xfe000000"
inline std::string hex_text(std::uint64_t value) {
  char text[24];
  const int length = std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return {text, static_cast<std::size_t>(length)};
}

template <class T>
nlohmann::json hex_or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(hex_text(*value)) : nlohmann::json(nullptr);
}

}  // namespace devbindd::handoff
