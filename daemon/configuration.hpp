// SPDX-License-Identifier: Apache-2.0
// The configuration file: JSON with comments, every key optional, every unknown key an error that names it.
// Not here: command-line options (main.cpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access/access_rules.hpp"
#include "daemon/configuration_section.hpp"
#include "handoff/model/policy.hpp"

namespace devbindd::daemon {

struct TcpConfiguration {
  std::string address = "127.0.0.1";  ///< loopback only
  std::uint16_t port = 8480;
  bool every_local_user_is_admin = false;  ///< everybody on the host can connect to a TCP port
};

/// TLS 1.3 with client certificates. Each file is an absolute path, or "credential:" and the name of one of systemd's
/// credentials (LoadCredential=).
struct TlsConfiguration {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8481;
  std::string certificate;
  std::string key;
  std::string client_ca;
};

struct Configuration {
  std::string unix_path = "/run/devbindd/devbindd.sock";
  std::string unix_group = "devbindd";  ///< that the socket is given to; "" for root alone
  unsigned unix_mode = 0660;
  std::string claims_path = {};  ///< of the socket for the owners of claims, "" for none
  std::optional<TcpConfiguration> tcp;
  std::optional<TlsConfiguration> tls;
  api::AccessRules access = {};  ///< not configured: root and `unix_group` change things, whoever gets in reads
  std::string state_directory = "/var/lib/devbindd";
  std::string log_level = "info";
  std::string cdi_directory = {};              ///< where CDI files of claims are written, "" for nowhere
  std::vector<handoff::Policy> policies = {};  ///< in the order of the file: the first that fits a device has it
  bool read_only = false;
  std::chrono::seconds step_deadline{10};  ///< after which a step counts as blocked
  std::chrono::seconds request_wait{30};   ///< after which a write answers 202
  std::chrono::seconds shutdown_wait{10};  ///< for operations between two writes when the daemon is stopped
};

/// Reads the text of a configuration. Pure; fuzzed.
std::expected<Configuration, ConfigurationError> parse_configuration(std::string_view text);

/// Reads a file. A missing file is an error: the caller decides whether it may be missing.
std::expected<Configuration, ConfigurationError> load_configuration(const std::string& path);

}  // namespace devbindd::daemon
