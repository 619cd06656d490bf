// SPDX-License-Identifier: Apache-2.0
#include "api/access/access_rules.hpp"

#include <algorithm>

namespace devbindd::api {
namespace {

// Who comes with a token is asked for nothing else.
bool is_for(const Who& who, const Identity& identity) {
  switch (who.kind) {
    case WhoKind::User: return who.number && identity.uid == who.number;
    case WhoKind::Group: return who.number && std::ranges::find(identity.groups, *who.number) != identity.groups.end();
    case WhoKind::Token: return identity.token && is_token(*identity.token, who.digest);
    case WhoKind::Certificate: return !identity.token && identity.certificate && is_of(*identity.certificate, who.name);
    case WhoKind::Everyone: return !identity.token;
  }
  return false;
}

Grant with(Role role, std::string by, handoff::Permission permission = {}) {
  Grant grant{.role = role, .by = std::move(by)};
  permission.holder = "the role " + std::string(name_of(role)) + " (by " + grant.by + ")";
  grant.permission = std::make_shared<const handoff::Permission>(std::move(permission));
  return grant;
}

// What a rule gives at an entrance: who is not known reads at most, and at the claims socket nobody reads the host.
Role role_at(const Identity& identity, const AccessRule& rule) {
  const bool named = rule.who.kind == WhoKind::Token || rule.who.kind == WhoKind::Certificate;
  if (is_by_network(identity.entrance) && !named) return has(rule.role, Right::Read) ? Role::Reader : Role::None;
  if (identity.entrance == Entrance::Claims && rule.role == Role::Reader) return Role::None;
  return rule.role;
}

Grant by_rules(const AccessRules& rules, const Identity& identity) {
  for (std::size_t at = 0; at < rules.rules.size(); ++at) {
    const auto& rule = rules.rules[at];
    if (!is_for(rule.who, identity)) continue;
    const auto place = rules.configured ? "rule " + std::to_string(at + 1) + " of \"access\"" : "the default rules";
    auto grant = with(role_at(identity, rule), place + " (" + text_of(rule.who) + ")", rule.permission);
    if (rules.configured) grant.rule = at;
    if (rule.who.kind == WhoKind::Token) grant.token = rule.who.name;
    return grant;
  }
  return with(Role::None, "no rule");
}

}  // namespace

std::string_view name_of(Entrance entrance) {
  switch (entrance) {
    case Entrance::Unix: return "unix";
    case Entrance::Claims: return "claims";
    case Entrance::Tcp: return "tcp";
    case Entrance::Tls: return "tls";
  }
  return "tcp";
}

std::string text_of(const Who& who) {
  switch (who.kind) {
    case WhoKind::User: return "user " + who.name;
    case WhoKind::Group: return "group " + who.name;
    case WhoKind::Token: return "token " + who.name;
    case WhoKind::Certificate: return "certificate " + who.name;
    case WhoKind::Everyone: return "everyone";
  }
  return "everyone";
}

AccessRules default_rules(std::optional<unsigned> group, const std::string& name) {
  AccessRules rules;
  if (group) rules.rules.push_back({{.kind = WhoKind::Group, .name = name, .number = group}, Role::Admin});
  rules.rules.push_back({{.kind = WhoKind::Everyone}, Role::Reader});
  return rules;
}

bool has(const Grant& grant, Right right) {
  return has(grant.role, right) || (right == Right::OwnClaims && grant.owns_claims);
}

bool may_change(const Grant& grant) { return has(grant, Right::Operate); }

Grant grant_of(const AccessRules& rules, const Identity& identity) {
  if (identity.uid == 0U) return with(Role::Admin, "root");
  if (identity.entrance == Entrance::Tcp && !identity.token && rules.every_local_user_is_admin)
    return with(Role::Admin, "\"every_local_user_is_admin\" of \"tcp\"");
  const auto is_of_token = [](const AccessRule& rule) { return rule.who.kind == WhoKind::Token; };
  auto grant = by_rules(rules, identity);
  grant.owns_claims = identity.entrance == Entrance::Claims;
  grant.token_helps = identity.entrance == Entrance::Tcp && std::ranges::any_of(rules.rules, is_of_token);
  // A token that no rule has gives nothing, not even what everybody has.
  if (identity.token && grant.token.empty()) {
    grant = with(Role::None, "a token that no rule has");
    grant.wrong_token = true;
  }
  return grant;
}

}  // namespace devbindd::api
