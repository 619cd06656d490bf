// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/request.hpp"

namespace devbindd::handoff {

bool changes_binding(const ChangeRequest& request) {
  return request.kind == ChangeKind::Bind || request.kind == ChangeKind::Unbind ||
         request.kind == ChangeKind::Restore || request.kind == ChangeKind::SetVfs;
}

std::string_view name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::Bind: return "bind";
    case ChangeKind::Unbind: return "unbind";
    case ChangeKind::Restore: return "restore";
    case ChangeKind::SetOverride: return "set_driver_override";
    case ChangeKind::ClearOverride: return "clear_driver_override";
    case ChangeKind::AddId: return "add_id";
    case ChangeKind::RemoveId: return "remove_id";
    case ChangeKind::Transaction: return "transaction";
    case ChangeKind::SetVfs: return "set_vfs";
  }
  return "unknown";
}

std::string_view name_of(Scope scope) { return scope == Scope::Group ? "group" : "device"; }

std::string_view name_of(Method method) { return method == Method::NewId ? "new_id" : "driver_override"; }

bool same_user(const Requester& one, const Requester& other) {
  return one.uid == other.uid && one.token == other.token && one.certificate == other.certificate;
}

Asker asker_of(const Requester& requester) {
  std::string name = requester.transport;
  if (!requester.certificate.empty()) name = "certificate " + requester.certificate;
  if (!requester.token.empty()) name = "token " + requester.token;
  if (requester.uid) name = "uid " + std::to_string(*requester.uid);
  return {.name = name.empty() ? "nobody" : name, .may_change = requester.may_change};
}

}  // namespace devbindd::handoff
