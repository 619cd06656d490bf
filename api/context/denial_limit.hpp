// SPDX-License-Identifier: Apache-2.0
// How many denials the audit has a line for: who asks again and again does not push out what others did.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace devbindd::api {

class DenialLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::size_t most_each = 10;   ///< lines of one user in a minute
  static constexpr std::size_t most_users = 64;  ///< with lines in a minute; the others share what one has

  /// A user was denied something: how many of his denials had no line since his last one that has, or nullopt when this
  /// one gets none either.
  std::optional<std::size_t> take(const std::string& user, Time now);

 private:
  struct Minute {
    Time began;
    std::size_t lines = 0;
    std::size_t left_out = 0;
  };
  std::map<std::string, Minute> users_;
};

}  // namespace devbindd::api
