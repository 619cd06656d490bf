// SPDX-License-Identifier: Apache-2.0
#include "api/access/role.hpp"

#include <algorithm>

namespace devbindd::api {

bool has(Role role, Right right) {
  switch (right) {
    case Right::Service: return true;
    case Right::OwnClaims: return role != Role::None;
    case Right::Read: return role == Role::Reader || role == Role::Operator || role == Role::Admin;
    case Right::Claim: return role == Role::Claimant || role == Role::Operator || role == Role::Admin;
    case Right::Operate: return role == Role::Operator || role == Role::Admin;
    case Right::Administer: return role == Role::Admin;
  }
  return false;
}

std::string_view name_of(Role role) {
  switch (role) {
    case Role::None: return "none";
    case Role::Reader: return "reader";
    case Role::Claimant: return "claimant";
    case Role::Operator: return "operator";
    case Role::Admin: return "admin";
  }
  return "none";
}

std::optional<Role> role_named(std::string_view name) {
  const auto found = std::ranges::find(roles(), name, [](Role role) { return name_of(role); });
  return found == roles().end() ? std::nullopt : std::optional(*found);
}

const std::vector<Role>& roles() {
  static const std::vector<Role> all = {Role::Reader, Role::Claimant, Role::Operator, Role::Admin};
  return all;
}

std::string_view name_of(Right right) {
  switch (right) {
    case Right::Service: return "service";
    case Right::OwnClaims: return "own_claims";
    case Right::Read: return "read";
    case Right::Claim: return "claim";
    case Right::Operate: return "operate";
    case Right::Administer: return "administer";
  }
  return "administer";
}

const std::vector<Right>& rights() {
  static const std::vector<Right> all = {Right::Service, Right::OwnClaims, Right::Read,
                                         Right::Claim,   Right::Operate,   Right::Administer};
  return all;
}

Role least_role_with(Right right) {
  const auto found = std::ranges::find_if(roles(), [right](Role role) { return has(role, right); });
  return found == roles().end() ? Role::Admin : *found;
}

}  // namespace devbindd::api
