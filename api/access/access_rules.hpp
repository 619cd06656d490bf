// SPDX-License-Identifier: Apache-2.0
// Who has which role: rules, of which the first that is for somebody counts, and what that gives him at each entrance.
// Who no rule is for has no role. Pure. Not here: what a role may (role.hpp), who somebody is (api/http/caller.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/access/certificate.hpp"
#include "api/access/role.hpp"
#include "api/access/token.hpp"
#include "handoff/model/permission.hpp"

namespace devbindd::api {

/// Where connections come in. On the socket for owners of claims nobody has more than the claims are about, unless he
/// may change things; over TCP nobody is known unless he has a token; by TLS everybody has shown a certificate.
enum class Entrance { Unix, Claims, Tcp, Tls };
std::string_view name_of(Entrance entrance);
/// Whether a network is between: the kernel does not say who is at the other end.
constexpr bool is_by_network(Entrance entrance) { return entrance == Entrance::Tcp || entrance == Entrance::Tls; }

enum class WhoKind { User, Group, Token, Certificate, Everyone };

/// Whom a rule is for. A user or a group that this host does not have is nobody.
struct Who {
  WhoKind kind = WhoKind::Everyone;
  std::string name = {};  ///< as the configuration has it; of a token its name, of a
  ///< certificate as certificate_name() gives it
  std::optional<unsigned> number = {};  ///< of a user or a group, once that is known
  TokenDigest digest = {};              ///< of a token
};
/// "group vmm", "everyone".
std::string text_of(const Who& who);

struct AccessRule {
  Who who;
  Role role = Role::Reader;
  handoff::Permission permission = {};
};

struct AccessRules {
  std::vector<AccessRule> rules = {};
  bool configured = false;                 ///< the rules are those of the configuration, and not the defaults
  bool every_local_user_is_admin = false;  ///< over TCP, without any token
};

/// Who may do what where the configuration has no rules: the group of the Unix socket is as good as root, and whoever
/// else gets in may read. nullopt: no such group.
AccessRules default_rules(std::optional<unsigned> group, const std::string& name);

/// Who asks, as far as it is known.
struct Identity {
  Entrance entrance = Entrance::Unix;
  std::optional<unsigned> uid = {};
  std::vector<unsigned> groups = {};
  std::optional<std::string> token = {};                    ///< as it was sent, over TCP or TLS
  std::shared_ptr<const PeerCertificate> certificate = {};  ///< that was shown by TLS
};

/// What somebody has.
struct Grant {
  Role role = Role::None;
  bool owns_claims = false;              ///< Right::OwnClaims without any role
  std::string by = {};                   ///< "rule 2 of \"access\" (group vmm)", "nothing"
  std::optional<std::size_t> rule = {};  ///< its place in the configuration, from 0 on
  std::string token = {};                ///< the name of the token that he came with
  bool wrong_token = false;              ///< one that no rule has
  bool token_helps = false;              ///< it is over TCP, and there are tokens
  std::shared_ptr<const handoff::Permission> permission = {};
};

bool has(const Grant& grant, Right right);
/// Devices, or more.
bool may_change(const Grant& grant);

Grant grant_of(const AccessRules& rules, const Identity& identity);

}  // namespace devbindd::api
