// SPDX-License-Identifier: Apache-2.0
#include "daemon/access_names.hpp"

#include "handoff/worker/owner_names.hpp"

namespace devbindd::daemon {

api::AccessRules rules_in_force(const Configuration& configuration, std::optional<unsigned> group,
                                const std::function<void(const std::string&)>& warn) {
  auto rules =
      configuration.access.configured ? configuration.access : api::default_rules(group, configuration.unix_group);
  rules.every_local_user_is_admin = configuration.tcp && configuration.tcp->every_local_user_is_admin;
  for (auto& [who, role, permission] : rules.rules) {
    const bool user = who.kind == api::WhoKind::User;
    if (who.number || (!user && who.kind != api::WhoKind::Group)) continue;
    const auto found = user ? handoff::user_id(who.name) : handoff::group_id(who.name);
    if (found) who.number = *found;
    if (!who.number)
      warn(text_of(who) +
           " of \"access\" is nobody: " + (found ? "there is none of that name" : found.error().message));
  }
  return rules;
}

}  // namespace devbindd::daemon
