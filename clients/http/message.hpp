// SPDX-License-Identifier: Apache-2.0
// What is asked of the daemon, what it answers, and why there is no answer.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "clients/http/descriptor.hpp"

namespace devbindd::clients {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string target;  ///< path and query, encoded
  Fields fields;
  std::string body;
};

struct Answer {
  unsigned status = 0;
  Fields fields;
  std::string body;
  std::vector<Descriptor> descriptors;  ///< that came along, in their order

  /// The value of a header field, whatever its case; "" without it.
  std::string field(const std::string& name) const;
};

/// Why a command did not do what it was asked for. The numbers are the exit status of devbindctl.
enum class ExitStatus { Done = 0, Error = 1, NothingToDo = 2, Refused = 3, Blocked = 4 };

struct Failure {
  ExitStatus status = ExitStatus::Error;
  std::string text;  ///< for a person; may have several lines
  std::string body;  ///< the daemon's problem document as it came; "" where it gave none
};

template <class T>
using Result = std::expected<T, Failure>;

/// An error with a text.
inline std::unexpected<Failure> fail(std::string text) {
  return std::unexpected(Failure{.status = ExitStatus::Error, .text = std::move(text), .body = {}});
}

}  // namespace devbindd::clients
