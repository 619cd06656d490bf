// SPDX-License-Identifier: Apache-2.0
#include "daemon/configuration.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <vector>

#include "api/http/json_body.hpp"
#include "api/requests/selector_body.hpp"
#include "daemon/access_section.hpp"
#include "sysfs/kernel/lent_rights.hpp"
#include "sysfs/kernel/open_file.hpp"

namespace devbindd::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t max_bytes = 64U << 10U;
constexpr std::size_t max_policies = 64;
constexpr std::size_t max_policy_name = 128;

// "0660": a string of octal digits, since JSON has no octal numbers and 660 would be a trap.
Checked octal_mode(Section& section, unsigned& mode) {
  if (section.find("mode") == nullptr) return {};
  std::string text;
  if (auto read = section.text("mode", text); !read) return read;
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos)
    return wrong(section.at("mode"), "must be octal digits in a string, such as \"0660\"");
  mode = static_cast<unsigned>(std::stoul(text, nullptr, 8));
  return {};
}

bool is_address(const std::string& address) {
  in_addr ipv4{};
  in6_addr ipv6{};
  return ::inet_pton(AF_INET, address.c_str(), &ipv4) == 1 || ::inet_pton(AF_INET6, address.c_str(), &ipv6) == 1;
}

bool is_loopback(const std::string& address) {
  in_addr ipv4{};
  in6_addr ipv6{};
  if (::inet_pton(AF_INET, address.c_str(), &ipv4) == 1) return address.starts_with("127.");
  return ::inet_pton(AF_INET6, address.c_str(), &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
}

Checked read_unix(const json& object, Configuration& configuration) {
  if (!object.is_object()) return wrong("/unix", "must be an object");
  Section section(object, "/unix");
  if (auto read = section.text("path", configuration.unix_path); !read) return read;
  if (auto read = section.text("group", configuration.unix_group); !read) return read;
  if (auto read = octal_mode(section, configuration.unix_mode); !read) return read;
  if (!configuration.unix_path.starts_with('/')) return wrong("/unix/path", "must be an absolute path");
  return section.finish();
}

// {"path": ...}, or null for none.
Checked read_claims_socket(const json& object, Configuration& configuration) {
  if (object.is_null()) return {};
  if (!object.is_object()) return wrong("/claims_socket", "must be an object or null");
  Section section(object, "/claims_socket");
  configuration.claims_path = "/run/devbindd/claims.sock";
  if (auto read = section.text("path", configuration.claims_path); !read) return read;
  if (!configuration.claims_path.starts_with('/')) return wrong("/claims_socket/path", "must be an absolute path");
  return section.finish();
}

Checked read_tcp(const json& object, Configuration& configuration) {
  if (object.is_null()) return {};
  if (!object.is_object()) return wrong("/tcp", "must be an object or null");
  Section section(object, "/tcp");
  TcpConfiguration tcp;
  if (auto read = section.text("address", tcp.address); !read) return read;
  if (auto read = section.number("port", 0, 65535,
                                 [&tcp](std::uint64_t value) { tcp.port = static_cast<std::uint16_t>(value); });
      !read)
    return read;
  if (section.find("allow_changes") != nullptr)
    return wrong("/tcp/allow_changes",
                 "is called \"every_local_user_is_admin\" now, which is what it does; a bearer token of \"access\" "
                 "gives a role to one who has it alone");
  if (auto read = section.flag("every_local_user_is_admin", tcp.every_local_user_is_admin); !read) return read;
  if (!is_loopback(tcp.address))
    return wrong("/tcp/address",
                 "must be a loopback address (127.0.0.1 or ::1): there is no encryption; \"tls\" is for other hosts");
  configuration.tcp = tcp;
  return section.finish();
}

// A file's name, which is needed.
Checked read_tls_file(Section& section, const std::string& key, std::string& name) {
  if (auto read = section.text(key, name); !read) return read;
  constexpr std::string_view credential = "credential:";
  const auto rest = std::string_view(name).substr(std::min(credential.size(), name.size()));
  const bool is_credential = name.starts_with(credential) && !rest.empty() && rest.find('/') == std::string_view::npos;
  if (!is_credential && !name.starts_with('/'))
    return wrong(section.at(key), "is needed: the absolute path of a PEM file, or \"credential:NAME\"");
  return {};
}

Checked read_tls(const json& object, Configuration& configuration) {
  if (object.is_null()) return {};
  if (!object.is_object()) return wrong("/tls", "must be an object or null");
  Section section(object, "/tls");
  TlsConfiguration tls;
  if (auto read = section.text("address", tls.address); !read) return read;
  if (!is_address(tls.address)) return wrong("/tls/address", "must be an IP address of this host (:: for all of them)");
  const auto set = [&tls](std::uint64_t value) { tls.port = static_cast<std::uint16_t>(value); };
  if (auto read = section.number("port", 0, 65535, set); !read) return read;
  if (auto read = read_tls_file(section, "certificate", tls.certificate); !read) return read;
  if (auto read = read_tls_file(section, "key", tls.key); !read) return read;
  if (auto read = read_tls_file(section, "client_ca", tls.client_ca); !read) return read;
  configuration.tls = tls;
  return section.finish();
}

Checked read_policy_selector(Section& section, handoff::Selector& into) {
  const auto* selector = section.find("selector");
  if (selector == nullptr) return wrong(section.at("selector"), "is needed: which devices are meant");
  api::Mistakes mistakes;
  into = api::read_selector(*selector, section.at("selector"), mistakes);
  if (!mistakes.none()) return wrong(mistakes.list().front().pointer, mistakes.list().front().detail);
  if (selector->contains("count")) return wrong(section.at("selector") + "/count", "a policy takes all that fit");
  for (const auto* of_claims : {"label", "labels", "link_speed", "same_switch"}) {
    if (selector->contains(of_claims))
      return wrong(section.at("selector") + "/" + of_claims, "only a claim can select by this");
  }
  return {};
}

std::expected<sysfs::DriverName, ConfigurationError> read_policy_driver(Section& section) {
  std::string driver;
  if (auto read = section.text("driver", driver); !read) return std::unexpected(read.error());
  auto parsed = sysfs::DriverName::parse(driver);
  if (!parsed) return wrong(section.at("driver"), parsed.error().message);
  return std::move(*parsed);
}

// What is done to each device: it is moved alone or with its group, or given virtual functions.
Checked read_policy_reach(Section& section, handoff::Policy& policy) {
  std::string scope = "group";
  if (auto read = section.text("scope", scope); !read) return read;
  if (scope != "group" && scope != "device") return wrong(section.at("scope"), "must be \"device\" or \"group\"");
  policy.scope = scope == "group" ? handoff::Scope::Group : handoff::Scope::Device;
  const bool scoped = section.find("scope") != nullptr;
  const auto set = [&policy](std::uint64_t count) { policy.vfs = static_cast<unsigned>(count); };
  if (auto read = section.number("vfs", 0, 65535, set); !read) return read;
  if (policy.vfs && scoped) return wrong(section.at("scope"), "has no meaning for virtual functions");
  return {};
}

Checked read_policy_exclude(Section& section, handoff::Policy& policy) {
  const auto* exclude = section.find("exclude");
  if (exclude == nullptr) return {};
  const auto refused = [&section] { return wrong(section.at("exclude"), "must be an array of PCI addresses"); };
  if (!exclude->is_array()) return refused();
  for (const auto& item : *exclude) {
    const auto* text = item.get_ptr<const std::string*>();
    const auto address = text != nullptr ? sysfs::parse_pci_address(*text) : sysfs::parse_pci_address("");
    if (!address) return refused();
    policy.exclude.push_back(*address);
  }
  return {};
}

Checked read_policy_labels(Section& section, handoff::Policy& policy) {
  const auto* labels = section.find("labels");
  if (labels == nullptr) return {};
  api::Mistakes mistakes;
  policy.labels = api::read_labels(*labels, section.at("labels"), mistakes);
  if (!mistakes.none()) return wrong(mistakes.list().front().pointer, mistakes.list().front().detail);
  return {};
}

// {"name": ..., "selector": {...}, "driver": ..., "scope" or "vfs": ..., "exclude": [...], "labels": {...}}
std::expected<handoff::Policy, ConfigurationError> read_policy(const json& object, const std::string& pointer) {
  if (!object.is_object()) return wrong(pointer, "must be an object");
  Section section(object, pointer);
  std::string name;
  if (auto read = section.text("name", name); !read) return std::unexpected(read.error());
  if (name.empty() || name.size() > max_policy_name) return wrong(section.at("name"), "must be a name for the policy");
  handoff::Selector selector;
  if (auto read = read_policy_selector(section, selector); !read) return std::unexpected(read.error());
  auto driver = read_policy_driver(section);
  if (!driver) return std::unexpected(driver.error());
  handoff::Policy policy{.name = std::move(name), .selector = std::move(selector), .driver = std::move(*driver)};
  for (const auto read_more : {read_policy_reach, read_policy_exclude, read_policy_labels}) {
    if (auto read = read_more(section, policy); !read) return std::unexpected(read.error());
  }
  if (auto done = section.finish(); !done) return std::unexpected(done.error());
  return policy;
}

Checked read_policies(const json& list, Configuration& configuration) {
  if (!list.is_array() || list.size() > max_policies)
    return wrong("/policies", "must be an array of at most " + std::to_string(max_policies) + " objects");
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto pointer = "/policies/" + std::to_string(at);
    auto policy = read_policy(list[at], pointer);
    if (!policy) return std::unexpected(policy.error());
    const auto same = [&policy](const handoff::Policy& earlier) { return earlier.name == policy->name; };
    if (std::ranges::any_of(configuration.policies, same)) return wrong(pointer + "/name", "stands twice");
    configuration.policies.push_back(std::move(*policy));
  }
  return {};
}

Checked read_all(const json& document, Configuration& configuration) {
  Section section(document, "");
  if (const auto* value = section.find("unix")) {
    if (auto read = read_unix(*value, configuration); !read) return read;
  }
  if (const auto* value = section.find("claims_socket")) {
    if (auto read = read_claims_socket(*value, configuration); !read) return read;
  }
  if (configuration.claims_path == configuration.unix_path)
    return wrong("/claims_socket/path", "must be another one than that of \"unix\"");
  if (const auto* value = section.find("tcp")) {
    if (auto read = read_tcp(*value, configuration); !read) return read;
  }
  if (const auto* value = section.find("tls")) {
    if (auto read = read_tls(*value, configuration); !read) return read;
  }
  if (const auto* list = section.find("access")) {
    if (auto read = read_access(*list, configuration.access); !read) return read;
  }
  if (auto read = section.text("state_directory", configuration.state_directory); !read) return read;
  const auto* cdi = section.find("cdi_directory");
  if (auto read =
          cdi != nullptr && cdi->is_null() ? Checked{} : section.text("cdi_directory", configuration.cdi_directory);
      !read)
    return read;
  if (!configuration.cdi_directory.empty() && !configuration.cdi_directory.starts_with('/'))
    return wrong("/cdi_directory", "must be an absolute path or null");
  if (const auto* list = section.find("policies")) {
    if (auto read = read_policies(*list, configuration); !read) return read;
  }
  if (auto read = section.text("log_level", configuration.log_level); !read) return read;
  if (auto read = section.flag("read_only", configuration.read_only); !read) return read;
  if (auto read = section.seconds("step_deadline_seconds", configuration.step_deadline); !read) return read;
  if (auto read = section.seconds("request_wait_seconds", configuration.request_wait); !read) return read;
  if (auto read = section.seconds("shutdown_wait_seconds", configuration.shutdown_wait); !read) return read;
  constexpr std::array levels = {"debug", "info", "warning", "error"};
  if (std::ranges::find(levels, configuration.log_level) == levels.end())
    return wrong("/log_level", "must be debug, info, warning or error");
  if (!configuration.state_directory.starts_with('/')) return wrong("/state_directory", "must be an absolute path");
  return section.finish();
}

}  // namespace

std::expected<Configuration, ConfigurationError> parse_configuration(std::string_view text) {
  if (text.size() > max_bytes) return wrong("", "the file is larger than 65536 bytes");
  auto document = api::parse_commented(text);
  if (!document) return wrong(document.error().pointer, document.error().detail);
  Configuration configuration;
  if (auto read = read_all(*document, configuration); !read) return std::unexpected(read.error());
  return configuration;
}

std::expected<Configuration, ConfigurationError> load_configuration(const std::string& path) {
  const auto file = sysfs::open_for_reading(path);
  if (!file) return wrong("", "cannot open " + path + ": " + sysfs::errno_text(errno));
  const auto text = sysfs::read_until(file, max_bytes);
  if (!text) return wrong("", "cannot read " + path + ": " + sysfs::errno_text(errno));
  return parse_configuration(*text);
}

}  // namespace devbindd::daemon
