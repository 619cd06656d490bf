// SPDX-License-Identifier: Apache-2.0
// What is known of operations: those that run, and the newest of those that have ended, of earlier daemons too.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"
#include "handoff/journal/operation_document.hpp"
#include "handoff/operation/engine_parts.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;

// An end is told when it is on disk and the devices are free again: until then the operation runs.
std::string_view shown_state(const Operation& operation) {
  return name_of(is_finished(operation) ? OperationState::Running : operation.state);
}

json shown(const Operation& operation) {
  auto document = to_json(operation);
  if (!is_finished(operation)) return document;
  document["state"] = shown_state(operation);
  document["finished_at"] = nullptr;
  document["error"] = nullptr;
  return document;
}

}  // namespace

std::string Engine::operation_of_claim(const std::string& claim) const {
  const auto binds = [&claim](const ChangeRequest& request) {
    return request.claim == claim &&
           std::ranges::any_of(request.items, [](const auto& item) { return item.kind == ChangeKind::Bind; });
  };
  for (const auto& [id, running] : running_) {
    if (binds(running->operation->request)) return id;
  }
  for (const auto& past : past_) {
    const auto operation = operation_from(json::parse(past.document, nullptr, false));
    if (operation && binds(operation->request)) return past.id;
  }
  return {};
}

sysfs::Result<nlohmann::json> Engine::document(const std::string& id) const {
  if (const auto found = running_.find(id); found != running_.end()) return shown(*found->second->operation);
  for (const auto& past : past_) {
    if (past.id == id) return json::parse(past.document, nullptr, false);
  }
  return sysfs::fail(ErrorCode::OperationNotFound, "there is no operation " + id.substr(0, 64) + " (the last " +
                                                       std::to_string(max_operations) + " are kept)");
}

std::vector<std::string> Engine::operation_ids(const std::string& state) const {
  std::vector<const Operation*> running;
  for (const auto& [id, one] : running_) {
    if (state.empty() || state == shown_state(*one->operation)) running.push_back(one->operation.get());
  }
  std::ranges::sort(running, std::ranges::greater{}, &Operation::created_at);
  std::vector<std::string> ids;
  for (const auto* operation : running) ids.push_back(operation->id);
  for (const auto& past : past_) {
    if (state.empty() || state == past.state) ids.push_back(past.id);
  }
  return ids;
}

std::vector<json> Engine::documents(const std::string& state) const {
  std::vector<json> documents;
  for (const auto& id : operation_ids(state)) documents.push_back(document(id).value());
  return documents;
}

std::string Engine::operation_on(const sysfs::PciAddress& address) const {
  for (const auto& [id, running] : running_) {
    for (const auto& transition : running->operation->transitions) {
      if (transition.address == address) return id;
    }
  }
  return {};
}

std::optional<Operation> Engine::last_change_of_functions(const sysfs::PciAddress& physical,
                                                          const std::function<bool(const Operation&)>& counts) const {
  for (const auto& past : past_) {
    if (past.state != name_of(OperationState::Succeeded)) continue;
    auto operation = operation_from(json::parse(past.document, nullptr, false));
    const bool meant = operation && operation->boot_id == services_.boot_id &&
                       operation->request.kind == ChangeKind::SetVfs && operation->request.address == physical;
    if (meant && (!counts || counts(*operation))) return operation;
  }
  return std::nullopt;
}

}  // namespace devbindd::handoff
