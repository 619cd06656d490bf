// SPDX-License-Identifier: Apache-2.0
// How many requests were answered how, since this daemon runs: by the route's pattern and never by a path, so that
// nobody can make many of them. Not here: how they are shown (render/metrics.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "api/http/server_settings.hpp"
#include "handoff/model/durations.hpp"

namespace devbindd::api {

class RequestCounts {
 public:
  /// Of one method at one route.
  struct Count {
    std::array<std::uint64_t, 5> by_class{};  ///< 1xx to 5xx
    handoff::Durations durations = {};        ///< from when its head was there to its answer
  };
  using Key = std::pair<std::string_view, std::string_view>;  ///< route, "" for none; method, "other" for unknown ones

  void add(const AccessRecord& record);
  const std::map<Key, Count>& all() const { return counts_; }

 private:
  std::map<Key, Count> counts_;
};

}  // namespace devbindd::api
