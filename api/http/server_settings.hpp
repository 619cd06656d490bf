// SPDX-License-Identifier: Apache-2.0
// What a server is told: its limits, who may change things, whom it asks for answers and whom it tells of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "api/access/access_rules.hpp"
#include "api/http/admission.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

struct Limits {
  ConnectionLimits connections;
  std::size_t refusals = 32;  ///< connections that are told at one time that there is no room; the others are closed
  std::chrono::milliseconds header_time{5'000};
  std::chrono::milliseconds body_time{10'000};
  std::chrono::milliseconds idle_time{60'000};
  std::chrono::milliseconds write_time{30'000};
};

/// One line about a request that was answered, for the log.
struct AccessRecord {
  std::string request_id = {};
  std::string caller = {};  ///< "unix uid 0" or "tcp 127.0.0.1"
  std::string method = {};
  std::string target = {};
  std::string_view route = {};  ///< its pattern, "" where the request reached none; lasts for ever
  int status = 0;
  std::string traceparent = {};  ///< "" for none
  std::chrono::microseconds duration{0};
};

struct ServerSettings {
  Limits limits;
  AccessRules access = {};
  std::function<void(const Request&, Respond)> handle;
  std::function<void(const AccessRecord&)> log;
  /// A TLS client at that address was not let in, and why.
  std::function<void(const std::string& address, const std::string& why)> tls_refused = [](const auto&, const auto&) {};
};

}  // namespace devbindd::api
