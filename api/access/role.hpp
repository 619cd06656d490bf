// SPDX-License-Identifier: Apache-2.0
// Who may ask what: roles, and the rights that each has. Passive. Not here: who has which role (access_rules.hpp).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace devbindd::api {

enum class Role {
  None,
  Reader,
  Claimant,  ///< has claims made for himself, and sees nothing else
  Operator,  ///< moves devices
  Admin,     ///< also changes what drivers take by themselves
};

/// What a route is for; each names the least that it needs.
enum class Right {
  Service,     ///< what devbindd is, whether it lives, and who one is: everybody who gets in
  OwnClaims,   ///< look at one's own claims, have what they are for, and end them
  Read,        ///< all of this host, and all claims
  Claim,       ///< make claims, and renew one's own
  Operate,     ///< change devices
  Administer,  ///< change what no rule about devices can bound: IDs of drivers, and overrides
};

bool has(Role role, Right right);

std::string_view name_of(Role role);
std::optional<Role> role_named(std::string_view name);
/// Those that a rule can give.
const std::vector<Role>& roles();

std::string_view name_of(Right right);
const std::vector<Right>& rights();

/// The role with the least rights besides this one.
Role least_role_with(Right right);

}  // namespace devbindd::api
