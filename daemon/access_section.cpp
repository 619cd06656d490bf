// SPDX-License-Identifier: Apache-2.0
#include "daemon/access_section.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/http/nearest_word.hpp"
#include "api/requests/selector_body.hpp"
#include "handoff/model/evidence.hpp"

namespace devbindd::daemon {
namespace {

using api::AccessRule;
using api::Role;
using api::WhoKind;
using nlohmann::json;

constexpr std::size_t max_rules = 256;
constexpr std::size_t max_listed = 64;
constexpr std::size_t max_name = 256;
constexpr std::uint64_t max_held = 65535;

// A name, or a number that chown(2) would take.
Checked read_owner(Section& section, const std::string& key, api::Who& who) {
  const auto& value = *section.find(key);
  const auto* name = value.get_ptr<const std::string*>();
  if (name != nullptr && !name->empty() && name->size() <= max_name && name->find('\0') == std::string::npos) {
    who.name = *name;
    return {};
  }
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= std::numeric_limits<std::uint32_t>::max())
    return wrong(section.at(key), "must be a name or a number");
  who.number = value.get<unsigned>();
  who.name = std::to_string(*who.number);
  return {};
}

Checked read_token(Section& section, api::Who& who) {
  if (auto read = section.text("token", who.name); !read) return read;
  if (who.name.empty() || who.name.size() > max_name || !std::ranges::all_of(who.name, [](char c) { return c > ' '; }))
    return wrong(section.at("token"), "must be a name for the token, without blanks");
  std::string text;
  if (auto read = section.text("sha256", text); !read) return read;
  const auto digest = api::token_digest_named("sha256:" + text);
  if (!digest)
    return wrong(section.at("sha256"), "must be the SHA-256 of the token, as `printf %s TOKEN | sha256sum` prints it");
  who.digest = *digest;
  return {};
}

Checked read_certificate(Section& section, api::Who& who) {
  std::string text;
  if (auto read = section.text("certificate", text); !read) return read;
  const auto name = api::certificate_name(text);
  if (!name)
    return wrong(section.at("certificate"),
                 "must be \"sha256:\" and the fingerprint of the certificate, or \"dns:\", \"uri:\" or \"email:\" and "
                 "one of its subject alternative names");
  who.name = *name;
  return {};
}

Checked read_who(const json& value, const std::string& pointer, api::Who& who) {
  const auto refused = [&pointer] {
    return wrong(pointer, "must be \"everyone\", or an object with \"user\", \"group\", \"token\" or \"certificate\"");
  };
  if (value == "everyone") return {};
  if (!value.is_object()) return refused();
  Section section(value, pointer);
  const bool user = value.contains("user");
  const bool group = value.contains("group");
  const bool token = value.contains("token");
  const bool certificate = value.contains("certificate");
  if (user + group + token + certificate != 1) return refused();
  who.kind = user ? WhoKind::User : group ? WhoKind::Group : token ? WhoKind::Token : WhoKind::Certificate;
  auto read = token         ? read_token(section, who)
              : certificate ? read_certificate(section, who)
                            : read_owner(section, user ? "user" : "group", who);
  if (!read) return read;
  return section.finish();
}

Checked read_role(Section& section, AccessRule& rule) {
  std::string name;
  if (auto read = section.text("role", name); !read) return read;
  const auto role = api::role_named(name);
  if (!role) return wrong(section.at("role"), "must be reader, claimant, operator or admin");
  rule.role = *role;
  if (rule.who.kind == WhoKind::Everyone && has(rule.role, api::Right::Operate))
    return wrong(section.at("role"), "would let every user of the host move devices: name a user or a group");
  return {};
}

// "all", or a list of names.
Checked read_names(Section& section, const std::string& key, std::optional<std::vector<std::string>>& names) {
  const auto* value = section.find(key);
  if (value == nullptr) return {};
  names.reset();
  if (*value == "all") return {};
  const auto refused = [&] { return wrong(section.at(key), "must be \"all\", or an array of names"); };
  if (!value->is_array() || value->size() > max_listed) return refused();
  names.emplace();
  for (const auto& item : *value) {
    const auto* name = item.get_ptr<const std::string*>();
    if (name == nullptr || name->empty()) return refused();
    names->push_back(*name);
  }
  return {};
}

Checked read_drivers(Section& section, AccessRule& rule) {
  auto& drivers = rule.permission.drivers;
  if (auto read = read_names(section, "drivers", drivers); !read) return read;
  for (std::size_t at = 0; drivers && at < drivers->size(); ++at) {
    if (auto name = sysfs::DriverName::parse((*drivers)[at]); !name)
      return wrong(section.at("drivers") + "/" + std::to_string(at), name.error().message);
  }
  return {};
}

Checked read_risks(Section& section, AccessRule& rule) {
  auto& risks = rule.permission.risks;
  if (auto read = read_names(section, "risks", risks); !read) return read;
  const auto& known = handoff::evidence_codes();
  for (std::size_t at = 0; risks && at < risks->size(); ++at) {
    const auto& name = (*risks)[at];
    if (std::ranges::find(known, name) == known.end())
      return wrong(
          section.at("risks") + "/" + std::to_string(at),
          "is not the code of a risk" + api::hint(name, std::vector<std::string_view>(known.begin(), known.end())));
  }
  return {};
}

// By what a device is: what it is bound to changes with the first change.
Checked read_selectors(const json& list, const std::string& pointer, std::vector<handoff::Selector>& selectors) {
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto place = pointer + "/" + std::to_string(at);
    api::Mistakes mistakes;
    selectors.push_back(api::read_selector(list[at], place, mistakes));
    if (!mistakes.none()) return wrong(mistakes.list().front().pointer, mistakes.list().front().detail);
    for (const auto* of_others : {"count", "driver", "label", "link_speed", "same_switch"}) {
      if (list[at].contains(of_others))
        return wrong(place + "/" + of_others, "says nothing lasting of a device: a rule cannot go by it");
    }
  }
  return {};
}

Checked read_devices(Section& section, AccessRule& rule) {
  const auto* value = section.find("devices");
  if (value == nullptr) {
    if (rule.role != Role::Claimant) return {};
    return wrong(section.at("devices"), "is needed: which devices a claimant may have; \"all\" for any");
  }
  if (*value == "all") return {};
  if (!value->is_array() || value->size() > max_listed)
    return wrong(section.at("devices"), "must be \"all\", or an array of selectors");
  return read_selectors(*value, section.at("devices"), rule.permission.devices.emplace());
}

Checked read_owners(Section& section, AccessRule& rule) {
  if (rule.role != Role::Claimant) return {};
  std::string owners = "self";
  if (auto read = section.text("owners", owners); !read) return read;
  if (owners != "self" && owners != "all") return wrong(section.at("owners"), "must be \"self\" or \"all\"");
  rule.permission.own_claims_only = owners == "self";
  return {};
}

Checked read_limits(Section& section, AccessRule& rule) {
  auto& permission = rule.permission;
  const auto into = [](std::optional<unsigned>& field) {
    return [&field](std::uint64_t value) { field = static_cast<unsigned>(value); };
  };
  if (auto read = section.number("max_claims", 0, max_held, into(permission.max_claims)); !read) return read;
  return section.number("max_devices", 0, max_held, into(permission.max_devices));
}

Checked read_rule(const json& object, const std::string& pointer, AccessRule& rule) {
  if (!object.is_object()) return wrong(pointer, "must be an object");
  Section section(object, pointer);
  const auto* who = section.find("who");
  if (who == nullptr) return wrong(section.at("who"), "is needed: whom the rule is for");
  if (auto read = read_who(*who, section.at("who"), rule.who); !read) return read;
  if (auto read = read_role(section, rule); !read) return read;
  if (rule.role == Role::Reader || rule.role == Role::Admin) return section.finish();
  rule.permission.risks.emplace();
  for (const auto read_more : {read_devices, read_drivers, read_risks, read_owners, read_limits}) {
    if (auto read = read_more(section, rule); !read) return read;
  }
  return section.finish();
}

}  // namespace

Checked read_access(const json& list, api::AccessRules& rules) {
  if (list.is_null()) return {};
  if (!list.is_array() || list.size() > max_rules)
    return wrong("/access", "must be an array of at most " + std::to_string(max_rules) + " objects, or null");
  rules.configured = true;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto pointer = "/access/" + std::to_string(at);
    AccessRule rule;
    if (auto read = read_rule(list[at], pointer, rule); !read) return read;
    const auto same = [&rule](const AccessRule& earlier) {
      return rule.who.kind == WhoKind::Token && earlier.who.kind == WhoKind::Token && earlier.who.name == rule.who.name;
    };
    if (std::ranges::any_of(rules.rules, same)) return wrong(pointer + "/who/token", "stands twice");
    rules.rules.push_back(std::move(rule));
  }
  return {};
}

}  // namespace devbindd::daemon
