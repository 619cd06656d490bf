// SPDX-License-Identifier: Apache-2.0
// Operations as the documents that a client sees.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "handoff/journal/json.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::tests {

inline nlohmann::json document_of(const handoff::Engine& engine, const std::string& id) {
  return handoff::to_json(*engine.operations().find(id).value());
}

/// Of the operations in that state, or of all; newest first.
inline std::vector<nlohmann::json> documents_of(const handoff::Engine& engine, const std::string& state = {}) {
  std::vector<nlohmann::json> documents;
  for (const auto& id : engine.operations().ids(handoff::operation_state_named(state)))
    documents.push_back(document_of(engine, id));
  return documents;
}

}  // namespace devbindd::tests
