// SPDX-License-Identifier: Apache-2.0
// How many lines of one kind the log gets: whoever may connect can cause as many as he likes. Pure. Not here: what is
// logged (service.cpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::daemon {

/// What a line is about, without what differs from one of its kind to the next: each run of digits is one '#', and it
/// ends after 96 bytes.
std::string kind_of(std::string_view line);

class LineLimit {
 public:
  using Clock = std::chrono::steady_clock;
  struct Settings {
    std::size_t lines = 20;         ///< of one kind within `time`
    std::chrono::seconds time{10};  ///< from the kind's first line
    std::size_t kinds = 256;        ///< known at one time; the lines of all further ones count as of one
  };
  struct LeftOut {
    std::string kind;
    std::size_t lines = 0;
  };

  LineLimit() = default;
  explicit LineLimit(Settings settings) : settings_(settings) {}

  /// Whether a line of this kind is to be written. What is not is counted, and told by over().
  bool take(const std::string& kind, Clock::time_point now);
  /// The kinds whose time is over, of which lines were left out. They begin anew.
  std::vector<LeftOut> over(Clock::time_point now);
  /// Whether there are lines that over() will have to tell of.
  bool has_left_out() const;

 private:
  struct Window {
    Clock::time_point begun;
    std::size_t lines = 0;
  };
  Settings settings_ = {};
  std::map<std::string, Window> windows_;
};

}  // namespace devbindd::daemon
