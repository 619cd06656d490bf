// SPDX-License-Identifier: Apache-2.0
// The daemon as its clients see it: documents and problems instead of bytes.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "clients/http/exchange.hpp"

namespace devbindd::clients {

class Daemon {
 public:
  explicit Daemon(std::string socket_path) : exchange_(std::move(socket_path)) {}

  /// One request; an answer of status 400 or more is a Failure with the problem's text and body.
  Result<Answer> ask(const Request& request);

  /// A document by GET.
  Result<Answer> get(const std::string& target);

  /// The document of get() as a value.
  Result<nlohmann::json> document(const std::string& target);

  /// All pages of a list, each as it came.
  Result<std::vector<Answer>> pages(const std::string& target);

  /// The items of all pages, as one array.
  Result<nlohmann::json> items(const std::string& target);

  /// Gives a stream's parts to `take` as they come, until that gives false or the stream ends.
  Result<void> follow(const Request& request, const Exchange::Take& take);

  /// How long an answer may take beyond what a request asks the daemon to wait.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

 private:
  Exchange exchange_;
  std::chrono::milliseconds patience_{60'000};
};

/// A body as a value; null where it is no JSON.
nlohmann::json parsed(const std::string& body);

/// Adds the items of a page of a list to an array.
void append_items(nlohmann::json& all, const Answer& page);

/// A path segment or query value, with everything escaped that is not unreserved (RFC 3986).
std::string escaped(const std::string& text);

/// How devbindctl ends for a problem of this code.
ExitStatus status_of(const std::string& problem_code);

/// The Failure of an answer of status 400 or more.
Failure failure_of(const Answer& answer);

}  // namespace devbindd::clients
